// Resample: each output along `axis` is a weighted sum of inputs,
//   out[.., j, ..] = sum_t weights[j][t] * x[.., indices[j][t], ..],
// t ascending, product and sum each rounded. Every interpolation of Resize is
// one of these per axis.
#include <algorithm>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

class ResampleOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    BITTERN_TRY(CheckType(context, 1, "indices", kI64Only));
    const Shape& in = context.inputs[0].type.shape;
    const Shape& taps = context.inputs[1].type.shape;
    BITTERN_TRY_ASSIGN(
        const size_t axis,
        CheckAxis(context, "axis", context.Int("axis", 0), in.rank()));
    if (taps.rank() != 2) {
      return WrongInput(context, 1, "indices", "outputs x taps");
    }
    BITTERN_TRY(CheckConstant(context, 1, "indices", DType::kI64, taps));
    BITTERN_TRY(CheckConstant(context, 2, "weights", DType::kF32, taps));
    if (taps.Elements() != 0) {
      for (int64_t index : context.inputs[1].Values<int64_t>()) {
        if (index >= 0 && index < in[axis]) continue;
        return context.Fail("input indices: got " + std::to_string(index) +
                            ", expected 0 to " + std::to_string(in[axis] - 1));
      }
    }
    outer_ = inner_ = 1;
    for (size_t i = 0; i < axis; ++i) outer_ *= static_cast<size_t>(in[i]);
    for (size_t i = axis + 1; i < in.rank(); ++i)
      inner_ *= static_cast<size_t>(in[i]);
    in_ = static_cast<size_t>(in[axis]);
    out_ = static_cast<size_t>(taps[0]);
    taps_ = static_cast<size_t>(taps[1]);
    Shape out = in;
    out[axis] = taps[0];
    return SetOutput(context, 0, DType::kF32, out);
  }

  void Run(const RunContext& context) const noexcept override {
    context.pool->For(outer_ * out_, Grain(inner_ * taps_, 2),
                      [&](size_t, size_t begin, size_t end) {
                        for (size_t row = begin; row < end; ++row) {
                          Row(context, row / out_, row % out_);
                        }
                      });
  }

 private:
  void Row(const RunContext& context, size_t outer, size_t j) const {
    const float* x = RunInput<float>(context, 0) + outer * in_ * inner_;
    const auto* index = RunInput<int64_t>(context, 1) + j * taps_;
    const auto* weight = RunInput<float>(context, 2) + j * taps_;
    float* out = RunOutput<float>(context, 0) + (outer * out_ + j) * inner_;
    std::fill_n(out, inner_, 0.0f);
    for (size_t t = 0; t < taps_; ++t) {
      const float* row = x + static_cast<size_t>(index[t]) * inner_;
      for (size_t i = 0; i < inner_; ++i) out[i] += weight[t] * row[i];
    }
    for (size_t i = 0; i < inner_; ++i) out[i] = CanonicalNan(out[i]);
  }

  size_t outer_ = 1, in_ = 0, inner_ = 1, out_ = 0, taps_ = 0;
};

constexpr AttributeSpec kAttributes[] = {{"axis", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kResampleOp =
    SimpleOpInfo("Resample", 3, 3, kAttributes, &CreateOp<ResampleOp>);

}  // namespace bittern::runtime
