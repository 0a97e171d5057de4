// NonZero: the indices of the elements of x that are not 0, one row [rank] for
// each in row-major order, and how many there are. The size of the first output
// is the bound, one row for each element; a Slice cuts it to the count.
#include <algorithm>

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
    BITTERN_TRY(
        SetOutput(context, 0, DType::kI64,
                  {shape_.Elements(), static_cast<int64_t>(shape_.rank())}));
    return SetOutput(context, 1, DType::kI64, Shape{1});
  }

  void Run(const RunContext& context) const noexcept override {
    auto* out = RunOutput<int64_t>(context, 0);
    const auto elements = static_cast<size_t>(shape_.Elements());
    const size_t rank = shape_.rank();
    size_t found = 0;
    for (size_t i = 0; i < elements; ++i) {
      if (!is_non_zero_(context.inputs[0], i)) continue;
      auto rest = static_cast<int64_t>(i);
      for (size_t d = rank; d-- > 0;) {
        out[found * rank + d] = rest % shape_[d];
        rest /= shape_[d];
      }
      ++found;
    }
    std::fill(out + found * rank, out + elements * rank, int64_t{0});
    RunOutput<int64_t>(context, 1)[0] = static_cast<int64_t>(found);
  }

 private:
  Shape shape_;
  bool (*is_non_zero_)(const void* x, size_t i) = nullptr;
};

}  // namespace

constinit const OpInfo kNonZeroOp = {"NonZero",           1, 1, 2, 2, {},
                                     &CreateOp<NonZeroOp>};

}  // namespace bittern::runtime
