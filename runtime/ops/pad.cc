// Pad: `pads` values of `value` before (first half) and after (second half)
// each dimension.
#include <algorithm>
#include <cstring>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/strided_copy.h"

namespace bittern::runtime {
namespace {

class PadOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    in_ = context.inputs[0].type.shape;
    const size_t rank = in_.rank();
    BITTERN_TRY(CheckGiven(context, "pads"));
    const auto pads = context.Ints("pads");
    if (pads.size() != 2 * rank) {
      return WrongAttribute(
          context, "pads",
          std::to_string(pads.size()) + " values for " + ToString(in_),
          "two for each dimension");
    }
    constexpr int64_t kLimit = int64_t{1}
                               << 40;  // as for the elements of a tensor
    Shape out;
    for (size_t i = 0; i < rank; ++i) {
      const int64_t before = pads[i], after = pads[rank + i];
      if (before < 0 || after < 0 || before > kLimit || after > kLimit) {
        return WrongAttribute(
            context, "pads",
            std::to_string(before < 0 || before > kLimit ? before : after),
            "0 to 2^40");
      }
      out.Append(before + in_[i] + after);
    }
    BITTERN_TRY(SetOutput(context, 0, DType::kF32, out));
    value_ = context.Float("value", 0);
    count_ = static_cast<size_t>(out.Elements());
    out_strides_ = DenseStrides(out);
    start_ = 0;
    for (size_t i = 0; i < rank; ++i)
      start_ += static_cast<ptrdiff_t>(pads[i]) * out_strides_[i];
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    auto* out = RunOutput<float>(context, 0);
    std::fill_n(out, count_, value_);
    const auto row = static_cast<size_t>(in_.Last());
    const auto* in = RunInput<float>(context, 0);
    const int64_t rows = in_.Elements() == 0 ? 0 : in_.Leading();
    for (int64_t r = 0; r < rows; ++r, in += row) {
      ptrdiff_t at = start_;
      int64_t rest = r;
      for (size_t i = in_.rank(); i-- > 0;) {
        if (i + 1 == in_.rank()) continue;
        at += static_cast<ptrdiff_t>(rest % in_[i]) * out_strides_[i];
        rest /= in_[i];
      }
      std::memcpy(out + at, in, row * sizeof(float));
    }
  }

 private:
  Shape in_;
  float value_ = 0;
  size_t count_ = 0;
  ptrdiff_t start_ = 0;
  std::array<ptrdiff_t, kMaxRank> out_strides_{};
};

constexpr AttributeSpec kAttributes[] = {
    {"pads", AttributeKind::kInts, false},
    {"value", AttributeKind::kFloat, false}};

constexpr ValueInput kValues[] = {{1, "pads"}};

}  // namespace

constinit const OpInfo kPadOp =
    SimpleOpInfo("Pad", 1, 2, kAttributes, &CreateOp<PadOp>, kValues);

}  // namespace bittern::runtime
