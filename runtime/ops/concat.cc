// Concat: the inputs one after another along `axis`.
#include <cstring>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class ConcatOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x0", kDense));
    const DType dtype = context.inputs[0].type.dtype;
    Shape out = context.inputs[0].type.shape;
    BITTERN_TRY_ASSIGN(
        const size_t axis,
        CheckAxis(context, "axis", context.Int("axis", 0), out.rank()));
    out[axis] = 0;
    for (size_t i = 0; i < context.inputs.size(); ++i) {
      const std::string label = "x" + std::to_string(i);
      BITTERN_TRY(CheckType(context, i, label.c_str(), SetOf(dtype)));
      Shape shape = context.inputs[i].type.shape;
      const int64_t size = axis < shape.rank() ? shape[axis] : 0;
      if (axis < shape.rank()) shape[axis] = out[axis];
      if (shape != out) {
        return WrongInput(context, i, label.c_str(),
                          "dimensions of " +
                              ToString(context.inputs[0].type.shape) +
                              " but along axis " + std::to_string(axis));
      }
      out[axis] +=
          size;  // each is at most 2^40, and the output is checked below
      if (out[axis] > kLimit)
        return WrongInput(context, i, label.c_str(),
                          "at most 2^40 elements in all");
    }
    BITTERN_TRY(SetOutput(context, 0, dtype, out));
    size_t inner = ElementBytes(dtype);
    for (size_t i = axis + 1; i < out.rank(); ++i)
      inner *= static_cast<size_t>(out[i]);
    outer_ = 1;
    for (size_t i = 0; i < axis; ++i) outer_ *= static_cast<size_t>(out[i]);
    chunks_.clear();
    for (const InputInfo& input : context.inputs) {
      chunks_.push_back(static_cast<size_t>(input.type.shape[axis]) * inner);
    }
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    auto* out = RunOutput<uint8_t>(context, 0);
    for (size_t o = 0; o < outer_; ++o) {
      for (size_t i = 0; i < chunks_.size(); ++i) {
        if (chunks_[i] == 0) continue;
        std::memcpy(out, RunInput<uint8_t>(context, i) + o * chunks_[i],
                    chunks_[i]);
        out += chunks_[i];
      }
    }
  }

  std::string Kernel() const override { return "copy"; }

 private:
  static constexpr int64_t kLimit = int64_t{1} << 40;
  size_t outer_ = 0;
  std::vector<size_t> chunks_;  // bytes of each input for one outer index
};

constexpr AttributeSpec kAttributes[] = {{"axis", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kConcatOp =
    SimpleOpInfo("Concat", 1, SIZE_MAX, kAttributes, &CreateOp<ConcatOp>);

}  // namespace bittern::runtime
