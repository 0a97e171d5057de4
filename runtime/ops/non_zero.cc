// NonZero: the indices of the elements of x that are not 0, as [rank, count] in
// row-major order. The count depends on the values, so x must be a constant.
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

template <class T>
bool IsNonZero(const void* x, size_t i) {
  return static_cast<const T*>(x)[i] != 0;
}

class NonZeroOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const InputInfo& x = context.inputs[0];
    shape_ = x.type.shape;
    BITTERN_TRY(CheckConstant(context, 0, "x", x.type.dtype, shape_));
    switch (x.type.dtype) {
      case DType::kF32:
        is_non_zero_ = &IsNonZero<float>;
        break;
      case DType::kI32:
        is_non_zero_ = &IsNonZero<int32_t>;
        break;
      case DType::kI64:
        is_non_zero_ = &IsNonZero<int64_t>;
        break;
      default:
        is_non_zero_ = &IsNonZero<uint8_t>;
    }
    count_ = 0;
    const auto elements = static_cast<size_t>(shape_.Elements());
    for (size_t i = 0; i < elements; ++i) {
      count_ += is_non_zero_(x.constant, i) ? 1 : 0;
    }
    const Shape out{static_cast<int64_t>(shape_.rank()),
                    static_cast<int64_t>(count_)};
    return SetOutput(context, 0, DType::kI64, out);
  }

  void Run(const RunContext& context) const noexcept override {
    auto* out = RunOutput<int64_t>(context, 0);
    const auto elements = static_cast<size_t>(shape_.Elements());
    size_t found = 0;
    for (size_t i = 0; i < elements; ++i) {
      if (!is_non_zero_(context.inputs[0], i)) continue;
      auto rest = static_cast<int64_t>(i);
      for (size_t d = shape_.rank(); d-- > 0;) {
        out[d * count_ + found] = rest % shape_[d];
        rest /= shape_[d];
      }
      ++found;
    }
  }

 private:
  Shape shape_;
  size_t count_ = 0;
  bool (*is_non_zero_)(const void* x, size_t i) = nullptr;
};

}  // namespace

constinit const OpInfo kNonZeroOp =
    SimpleOpInfo("NonZero", 1, 1, {}, &CreateOp<NonZeroOp>);

}  // namespace bittern::runtime
