// Unique: which slices of x along `axis` (elements of x, without it) differ.
// Outputs: where each first stands, by ascending slice or, not `sorted`, by
// place, zeros behind the last; for each slice the number of the one it equals;
// how often each occurs, zeros behind the last; and how many there are. NaN is
// the largest and equals NaN.
#include <algorithm>
#include <numeric>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

template <class T>
int Order(const void* x, size_t i, size_t j) {
  const T a = static_cast<const T*>(x)[i], b = static_cast<const T*>(x)[j];
  // A NaN is the only value that differs from itself.
  if (a != a || b != b) return static_cast<int>(a != a) - (b != b);  // NOLINT
  return static_cast<int>(a > b) - (a < b);
}

class UniqueOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kDense));
    const TensorType& type = context.inputs[0].type;
    count_ = static_cast<size_t>(type.shape.Elements());
    outer_ = inner_ = 1;
    if (context.Given("axis")) {
      BITTERN_TRY_ASSIGN(const size_t axis,
                         CheckAxis(context, "axis", context.Int("axis", 0),
                                   type.shape.rank()));
      count_ = static_cast<size_t>(type.shape[axis]);
      for (size_t d = 0; d < type.shape.rank(); ++d) {
        if (d != axis)
          (d < axis ? outer_ : inner_) *= static_cast<size_t>(type.shape[d]);
      }
    }
    sorted_ = context.Int("sorted", 1) != 0;
    order_ = OrderOf(type.dtype);
    const auto count = static_cast<int64_t>(count_);
    for (size_t i = 0; i < 3; ++i)
      BITTERN_TRY(SetOutput(context, i, DType::kI64, {count}));
    return SetOutput(context, 3, DType::kI64, Shape{1});
  }

  Result<void> Prepare(PrepareContext& context) override {
    context.scratch_shared = count_ * sizeof(int64_t);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const void* x = context.inputs[0];
    auto* numbers = reinterpret_cast<int64_t*>(context.scratch_shared);
    auto* first = RunOutput<int64_t>(context, 0);
    auto* number = RunOutput<int64_t>(context, 1);
    auto* counts = RunOutput<int64_t>(context, 2);
    std::iota(numbers, numbers + count_, int64_t{0});
    std::sort(numbers, numbers + count_, [&](int64_t a, int64_t b) {
      const int order = Compare(x, a, b);
      return order != 0 ? order < 0 : a < b;
    });
    std::fill_n(first, count_, int64_t{0});
    std::fill_n(counts, count_, int64_t{0});
    int64_t found = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (i == 0 || Compare(x, numbers[i - 1], numbers[i]) != 0)
        first[found++] = numbers[i];
      number[numbers[i]] = found - 1;
      ++counts[found - 1];
    }
    if (!sorted_) NumberByPlace(numbers, first, number, counts);
    RunOutput<int64_t>(context, 3)[0] = found;
  }

 private:
  using OrderFunction = int (*)(const void* x, size_t i, size_t j);

  static OrderFunction OrderOf(DType dtype) {
    switch (dtype) {
      case DType::kF32:
        return &Order<float>;
      case DType::kI32:
        return &Order<int32_t>;
      case DType::kI64:
        return &Order<int64_t>;
      case DType::kS8:
        return &Order<int8_t>;
      default:
        return &Order<uint8_t>;
    }
  }

  int Compare(const void* x, int64_t a, int64_t b) const {
    for (size_t o = 0; o < outer_; ++o) {
      const size_t at_a = (o * count_ + static_cast<size_t>(a)) * inner_,
                   at_b = (o * count_ + static_cast<size_t>(b)) * inner_;
      for (size_t i = 0; i < inner_; ++i) {
        const int order = order_(x, at_a + i, at_b + i);
        if (order != 0) return order;
      }
    }
    return 0;
  }

  void NumberByPlace(int64_t* renamed, int64_t* first, int64_t* number,
                     int64_t* counts) const {
    int64_t next = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (first[number[i]] == static_cast<int64_t>(i))
        renamed[number[i]] = next++;
    }
    std::fill_n(counts, count_, int64_t{0});
    for (size_t i = 0; i < count_; ++i) {
      number[i] = renamed[number[i]];
      if (counts[number[i]]++ == 0) first[number[i]] = static_cast<int64_t>(i);
    }
  }

  size_t count_ = 0, outer_ = 1, inner_ = 1;
  bool sorted_ = true;
  OrderFunction order_ = nullptr;
};

constexpr AttributeSpec kAttributes[] = {
    {"axis", AttributeKind::kInt, false},
    {"sorted", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kUniqueOp = {"Unique",           1, 1, 4, 4, kAttributes,
                                    &CreateOp<UniqueOp>};

}  // namespace bittern::runtime
