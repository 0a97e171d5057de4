// Range: start, start + delta, ... before limit, of constant scalars.
#include <cmath>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

constexpr double kLimit = 1099511627776.0;  // 2^40, as for any tensor

class RangeOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "start", kF32OrI64));
    const DType dtype = context.inputs[0].type.dtype;
    const char* const labels[] = {"start", "limit", "delta"};
    for (size_t i = 0; i < 3; ++i) {
      BITTERN_TRY(CheckType(context, i, labels[i], SetOf(dtype)));
      if (context.inputs[i].type.shape.Elements() != 1 ||
          context.inputs[i].constant == nullptr) {
        return WrongInput(context, i, labels[i], "a constant of one element");
      }
    }
    double count = 0;
    if (dtype == DType::kI64) {
      const auto value = [&](size_t i) {
        return context.inputs[i].Values<int64_t>()[0];
      };
      start_i_ = value(0);
      delta_i_ = value(2);
      if (delta_i_ == 0)
        return WrongInput(context, 2, "delta", "a step that is not 0");
      count = CountOf(start_i_, value(1), delta_i_);
    } else {
      const auto value = [&](size_t i) {
        return context.inputs[i].Values<float>()[0];
      };
      start_f_ = value(0);
      delta_f_ = value(2);
      if (delta_f_ == 0)
        return WrongInput(context, 2, "delta", "a step that is not 0");
      count = std::ceil((static_cast<double>(value(1)) - start_f_) / delta_f_);
    }
    // The negated comparison catches NaN.
    if (!(count <= kLimit)) {
      return WrongAttribute(context, "range",
                            std::to_string(count) + " elements",
                            "at most 2^40");
    }
    count_ = count > 0 ? static_cast<int64_t>(count) : 0;
    integer_ = dtype == DType::kI64;
    return SetOutput(context, 0, dtype, Shape{count_});
  }

  void Run(const RunContext& context) const noexcept override {
    for (int64_t i = 0; i < count_; ++i) {
      if (integer_) {
        RunOutput<int64_t>(context, 0)[i] = Element(i);
      } else {
        RunOutput<float>(context, 0)[i] =
            CanonicalNan(start_f_ + static_cast<float>(i) * delta_f_);
      }
    }
  }

 private:
  // Modulo 2^64: the product may overflow where the sum does not.
  int64_t Element(int64_t i) const {
    return static_cast<int64_t>(static_cast<uint64_t>(start_i_) +
                                static_cast<uint64_t>(i) *
                                    static_cast<uint64_t>(delta_i_));
  }

  // Exact: the distance and the step as unsigned magnitudes.
  static double CountOf(int64_t start, int64_t limit, int64_t delta) {
    if (delta > 0 ? limit <= start : limit >= start) return 0;
    const auto from = static_cast<uint64_t>(start),
               to = static_cast<uint64_t>(limit);
    const uint64_t distance = delta > 0 ? to - from : from - to;
    const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta)
                                    : 0 - static_cast<uint64_t>(delta);
    return static_cast<double>((distance - 1) / step + 1);
  }

  bool integer_ = false;
  int64_t count_ = 0, start_i_ = 0, delta_i_ = 0;
  float start_f_ = 0, delta_f_ = 0;
};

constexpr ValueInput kValues[] = {{0, nullptr}, {1, nullptr}, {2, nullptr}};

}  // namespace

constinit const OpInfo kRangeOp =
    SimpleOpInfo("Range", 3, 3, {}, &CreateOp<RangeOp>, kValues);

}  // namespace bittern::runtime
