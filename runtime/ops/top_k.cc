// TopK: the k largest (or smallest) elements along `axis`, best first, and
// their indices; of equal elements the first wins, and NaN is the largest.
#include <algorithm>
#include <numeric>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

template <class T>
bool Less(T a, T b) {
  return a < b || (b != b && a == a);
}

class TopKOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32OrI64));
    const TensorType& type = context.inputs[0].type;
    type_ = type.dtype;
    BITTERN_TRY_ASSIGN(
        const size_t axis,
        CheckAxis(context, "axis", context.Int("axis", 0), type.shape.rank()));
    BITTERN_TRY(CheckGiven(context, "k"));
    const int64_t k = context.Int("k", 0);
    if (k < 0 || k > type.shape[axis]) {
      return WrongAttribute(context, "k", std::to_string(k),
                            "0 to " + std::to_string(type.shape[axis]));
    }
    outer_ = inner_ = 1;
    for (size_t i = 0; i < axis; ++i)
      outer_ *= static_cast<size_t>(type.shape[i]);
    for (size_t i = axis + 1; i < type.shape.rank(); ++i)
      inner_ *= static_cast<size_t>(type.shape[i]);
    length_ = static_cast<size_t>(type.shape[axis]);
    k_ = static_cast<size_t>(k);
    largest_ = context.Int("largest", 1) != 0;
    Shape out = type.shape;
    out[axis] = k;
    BITTERN_TRY(SetOutput(context, 0, type_, out));
    return SetOutput(context, 1, DType::kI64, out);
  }

  Result<void> Prepare(PrepareContext& context) override {
    context.scratch_per_thread = length_ * sizeof(int64_t);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    if (type_ == DType::kF32) {
      RunTyped<float>(context);
    } else {
      RunTyped<int64_t>(context);
    }
  }

 private:
  template <class T>
  void RunTyped(const RunContext& context) const {
    context.pool->For(
        outer_ * inner_, Grain(length_, 8),
        [&](size_t part, size_t begin, size_t end) {
          auto* order = reinterpret_cast<int64_t*>(
              context.scratch_thread + part * context.scratch_thread_stride);
          for (size_t i = begin; i < end; ++i) {
            Line<T>(context, i / inner_, i % inner_, order);
          }
        });
  }

  template <class T>
  void Line(const RunContext& context, size_t outer, size_t inner,
            int64_t* order) const {
    const T* x = RunInput<T>(context, 0) + outer * length_ * inner_ + inner;
    const auto value = [&](int64_t i) {
      return x[static_cast<size_t>(i) * inner_];
    };
    std::iota(order, order + length_, int64_t{0});
    std::partial_sort(order, order + k_, order + length_,
                      [&](int64_t i, int64_t j) {
                        const T a = value(i), b = value(j);
                        if (Less(a, b)) return !largest_;
                        if (Less(b, a)) return largest_;
                        return i < j;
                      });
    const size_t first = outer * k_ * inner_ + inner;
    for (size_t i = 0; i < k_; ++i) {
      RunOutput<T>(context, 0)[first + i * inner_] = value(order[i]);
      RunOutput<int64_t>(context, 1)[first + i * inner_] = order[i];
    }
  }

  DType type_ = DType::kF32;
  bool largest_ = true;
  size_t outer_ = 1, length_ = 0, inner_ = 1, k_ = 0;
};

constexpr AttributeSpec kAttributes[] = {
    {"axis", AttributeKind::kInt, true},
    {"k", AttributeKind::kInt, false},
    {"largest", AttributeKind::kInt, false}};

constexpr ValueInput kValues[] = {{1, "k"}};

}  // namespace

constinit const OpInfo kTopKOp = {
    "TopK", 1, 2, 2, 2, kAttributes, &CreateOp<TopKOp>, kValues};

}  // namespace bittern::runtime
