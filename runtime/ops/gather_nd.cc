// GatherNd: the slices of x at the places that the rows of the last dimension
// of the indices name, after `batch_dims` shared dimensions.
#include <cstring>

#include "runtime/ops/indices.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class GatherNdOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(indices_.Infer(context, context.Int("batch_dims", 0)));
    const DType dtype = context.inputs[0].type.dtype;
    element_bytes_ = ElementBytes(dtype);
    Shape out = indices_.leading();
    if (out.rank() + indices_.inner().rank() > kMaxRank) {
      return WrongInput(
          context, 1, "indices",
          "at most " + std::to_string(kMaxRank) + " output dimensions");
    }
    for (int64_t dim : indices_.inner().dims()) out.Append(dim);
    return SetOutput(context, 0, dtype, out);
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* x = RunInput<uint8_t>(context, 0);
    auto* out = RunOutput<uint8_t>(context, 0);
    const size_t bytes = indices_.slice() * element_bytes_;
    indices_.For(context.inputs[1], [&](size_t row, size_t offset) {
      std::memcpy(out + row * bytes, x + offset * element_bytes_, bytes);
    });
  }

  std::string Kernel() const override { return "copy"; }

 private:
  SliceIndices indices_;
  size_t element_bytes_ = 0;
};

constexpr AttributeSpec kAttributes[] = {
    {"batch_dims", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kGatherNdOp =
    SimpleOpInfo("GatherNd", 2, 2, kAttributes, &CreateOp<GatherNdOp>);

}  // namespace bittern::runtime
