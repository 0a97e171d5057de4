// CumSum: running sums along `axis`, in ascending order; integers wrap.
#include "runtime/ops/binary_op.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class CumSumOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kNumeric));
    const TensorType& type = context.inputs[0].type;
    BITTERN_TRY_ASSIGN(
        const size_t axis,
        CheckAxis(context, "axis", context.Int("axis", 0), type.shape.rank()));
    outer_ = inner_ = 1;
    for (size_t i = 0; i < axis; ++i)
      outer_ *= static_cast<size_t>(type.shape[i]);
    for (size_t i = axis + 1; i < type.shape.rank(); ++i)
      inner_ *= static_cast<size_t>(type.shape[i]);
    length_ = static_cast<size_t>(type.shape[axis]);
    type_ = type.dtype;
    return SetOutput(context, 0, type.dtype, type.shape);
  }

  void Run(const RunContext& context) const noexcept override {
    switch (type_) {
      case DType::kF32:
        return RunTyped<float>(
            context, [](float a, float b) { return CanonicalNan(a + b); });
      case DType::kI32:
        return RunTyped<int32_t>(
            context, [](int32_t a, int32_t b) { return WrappedSum(a, b); });
      default:
        return RunTyped<int64_t>(
            context, [](int64_t a, int64_t b) { return WrappedSum(a, b); });
    }
  }

 private:
  template <class T>
  static T WrappedSum(T a, T b) {
    return Wrap(a, b, [](auto x, auto y) { return x + y; });
  }

  template <class T, class Sum>
  void RunTyped(const RunContext& context, const Sum& sum) const {
    const auto* x = RunInput<T>(context, 0);
    auto* y = RunOutput<T>(context, 0);
    for (size_t o = 0; o < outer_; ++o) {
      for (size_t i = 0; i < length_; ++i, x += inner_, y += inner_) {
        for (size_t j = 0; j < inner_; ++j)
          y[j] = i == 0 ? x[j] : sum((y - inner_)[j], x[j]);
      }
    }
  }

  DType type_ = DType::kF32;
  size_t outer_ = 0, length_ = 0, inner_ = 0;
};

constexpr AttributeSpec kAttributes[] = {{"axis", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kCumSumOp =
    SimpleOpInfo("CumSum", 1, 1, kAttributes, &CreateOp<CumSumOp>);

}  // namespace bittern::runtime
