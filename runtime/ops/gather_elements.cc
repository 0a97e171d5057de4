// GatherElements: out[i][j]... = x[i]...[indices[i][j]...]..., the index taken
// along `axis`.
#include "runtime/ops/indices.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class GatherElementsOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(indices_.Infer(context));
    const DType dtype = context.inputs[0].type.dtype;
    element_bytes_ = ElementBytes(dtype);
    return SetOutput(context, 0, dtype, indices_.shape());
  }

  void Run(const RunContext& context) const noexcept override {
    switch (element_bytes_) {
      case 1:
        return RunTyped<uint8_t>(context);
      case 4:
        return RunTyped<uint32_t>(context);
      default:
        return RunTyped<uint64_t>(context);
    }
  }

  std::string Kernel() const override { return "copy"; }

 private:
  template <class T>
  void RunTyped(const RunContext& context) const {
    const auto* x = RunInput<T>(context, 0);
    auto* out = RunOutput<T>(context, 0);
    indices_.For(context.inputs[1],
                 [&](size_t p, size_t offset) { out[p] = x[offset]; });
  }

  ElementIndices indices_;
  size_t element_bytes_ = 0;
};

constexpr AttributeSpec kAttributes[] = {{"axis", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kGatherElementsOp = SimpleOpInfo(
    "GatherElements", 2, 2, kAttributes, &CreateOp<GatherElementsOp>);

}  // namespace bittern::runtime
