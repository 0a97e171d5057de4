// Split: consecutive pieces of `sizes` along `axis`, one for each output.
#include <cstring>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class SplitOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const TensorType& type = context.inputs[0].type;
    BITTERN_TRY_ASSIGN(
        const size_t axis,
        CheckAxis(context, "axis", context.Int("axis", 0), type.shape.rank()));
    BITTERN_TRY(CheckGiven(context, "sizes"));
    const auto sizes = context.Ints("sizes");
    if (sizes.size() != context.outputs.size()) {
      return WrongAttribute(
          context, "sizes", std::to_string(sizes.size()) + " values",
          "one for each of " + std::to_string(context.outputs.size()) +
              " outputs");
    }
    int64_t left = type.shape[axis];
    size_t inner = ElementBytes(type.dtype);
    for (size_t i = axis + 1; i < type.shape.rank(); ++i)
      inner *= static_cast<size_t>(type.shape[i]);
    outer_ = 1;
    for (size_t i = 0; i < axis; ++i)
      outer_ *= static_cast<size_t>(type.shape[i]);
    chunks_.clear();
    for (size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] < 0 || sizes[i] > left) {
        return WrongAttribute(
            context, "sizes",
            std::to_string(sizes[i]) + " of " + std::to_string(left) + " left",
            "sizes that add up to " + std::to_string(type.shape[axis]));
      }
      left -= sizes[i];
      Shape out = type.shape;
      out[axis] = sizes[i];
      BITTERN_TRY(SetOutput(context, i, type.dtype, out));
      chunks_.push_back(static_cast<size_t>(sizes[i]) * inner);
    }
    if (left != 0) {
      return WrongAttribute(
          context, "sizes", std::to_string(left) + " left over",
          "sizes that add up to " + std::to_string(type.shape[axis]));
    }
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* in = RunInput<uint8_t>(context, 0);
    for (size_t o = 0; o < outer_; ++o) {
      for (size_t i = 0; i < chunks_.size(); ++i) {
        if (chunks_[i] == 0) continue;
        std::memcpy(RunOutput<uint8_t>(context, i) + o * chunks_[i], in,
                    chunks_[i]);
        in += chunks_[i];
      }
    }
  }

  std::string Kernel() const override { return "copy"; }

 private:
  size_t outer_ = 0;
  std::vector<size_t> chunks_;  // bytes of each output for one outer index
};

constexpr AttributeSpec kAttributes[] = {
    {"axis", AttributeKind::kInt, true},
    {"sizes", AttributeKind::kInts, false}};

constexpr ValueInput kValues[] = {{1, "sizes"}};

}  // namespace

constinit const OpInfo kSplitOp = {
    "Split", 1, 2, 1, SIZE_MAX, kAttributes, &CreateOp<SplitOp>, kValues};

}  // namespace bittern::runtime
