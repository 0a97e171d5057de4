#include "runtime/ops/reduce_op.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

template <class T>
T Identity(Reduction reduction) {
  using Limits = std::numeric_limits<T>;
  constexpr bool kFloat = std::is_floating_point_v<T>;
  switch (reduction) {
    case Reduction::kMax:
      return kFloat ? -Limits::infinity() : Limits::min();
    case Reduction::kMin:
      return kFloat ? Limits::infinity() : Limits::max();
    case Reduction::kProd:
      return 1;
    default:
      return 0;
  }
}

int64_t Combine(Reduction reduction, int64_t a, int64_t b) {
  switch (reduction) {
    case Reduction::kMax:
      return std::max(a, b);
    case Reduction::kMin:
      return std::min(a, b);
    case Reduction::kProd:
      return Wrap(a, b, [](auto x, auto y) { return x * y; });
    default:
      return Wrap(a, b, [](auto x, auto y) { return x + y; });
  }
}

float Combine(Reduction reduction, float a, float b) {
  if (a != a || b != b) return CanonicalNan(a + b);
  switch (reduction) {
    case Reduction::kMax:
      return a > b ? a : b;
    case Reduction::kMin:
      return a < b ? a : b;
    case Reduction::kProd:
      return CanonicalNan(a * b);
    default:
      return CanonicalNan(a + b);
  }
}

kernels::Binary KernelOf(Reduction reduction) {
  switch (reduction) {
    case Reduction::kMax:
      return kernels::Binary::kMax;
    case Reduction::kMin:
      return kernels::Binary::kMin;
    case Reduction::kProd:
      return kernels::Binary::kMul;
    default:
      return kernels::Binary::kAdd;
  }
}

}  // namespace

Result<void> ReduceOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckType(context, 0, "x",
                        reduction_ == Reduction::kMean ? kF32Only : kF32OrI64));
  const TensorType& type = context.inputs[0].type;
  type_ = type.dtype;
  BITTERN_TRY_ASSIGN(
      auto reduced,
      CheckAxes(context, "axes", context.Ints("axes"), type.shape.rank()));
  if (context.def.attributes.find("axes") == context.def.attributes.end()) {
    reduced.assign(type.shape.rank(), true);
  }
  const bool keep = context.Int("keepdims", 1) != 0;
  Shape out;
  for (size_t i = 0; i < type.shape.rank(); ++i) {
    if (!reduced[i]) {
      out.Append(type.shape[i]);
    } else if (keep) {
      out.Append(1);
    }
  }
  BITTERN_TRY(SetOutput(context, 0, type_, out));
  SetDims(type.shape, reduced);
  return {};
}

void ReduceOp::SetDims(const Shape& in, const std::vector<bool>& reduced) {
  rank_ = 0;
  outputs_ = per_output_ = 1;
  bool last = false;
  for (size_t i = 0; i < in.rank(); ++i) {
    const auto size = static_cast<size_t>(in[i]);
    (reduced[i] ? per_output_ : outputs_) *= size;
    if (size == 1) continue;
    if (rank_ != 0 && last == reduced[i]) {
      dim_[rank_ - 1].size *= size;
    } else {
      dim_[rank_++] = {size, reduced[i] ? size_t{0} : size_t{1}};
    }
    last = reduced[i];
  }
  if (rank_ == 0) dim_[rank_++] = {1, 1};
  inner_reduced_ = dim_[rank_ - 1].out_stride == 0;
  size_t stride = 1;
  for (size_t i = rank_; i-- > 0;) {
    if (dim_[i].out_stride == 0) continue;
    dim_[i].out_stride = stride;
    stride *= dim_[i].size;
  }
}

Result<void> ReduceOp::Prepare(PrepareContext& context) {
  if (type_ == DType::kF32) {
    norm_ = kernels::SelectNorm(context.cpu);
    bytes_ = kernels::SelectBytes(context.cpu);
    elementwise_ = kernels::SelectElementwise(context.cpu);
  }
  return {};
}

template <class T>
T ReduceOp::ReduceRow(const T* row) const {
  const size_t count = dim_[rank_ - 1].size;
  T value = Identity<T>(reduction_);
  if constexpr (std::is_same_v<T, float>) {
    if (reduction_ == Reduction::kSum || reduction_ == Reduction::kMean)
      return norm_->row_sum(row, count);
    constexpr size_t kLong = 64;
    if (reduction_ != Reduction::kProd && count >= kLong) {
      float lo, hi;
      bytes_->row_range({row, 0, count}, &lo, &hi, 0, 1);
      return reduction_ == Reduction::kMax ? hi : lo;
    }
  }
  for (size_t i = 0; i < count; ++i) value = Combine(reduction_, value, row[i]);
  return value;
}

template <class T>
void ReduceOp::Accumulate(const T* row, T* out, size_t count) const {
  if constexpr (std::is_same_v<T, float>) {
    elementwise_->binary(KernelOf(reduction_), kernels::Spread::kBoth, out, row,
                         out, count);
  } else {
    for (size_t i = 0; i < count; ++i)
      out[i] = Combine(reduction_, out[i], row[i]);
  }
}

// Input rows [begin, end): the innermost dimension, in ascending order.
template <class T>
void ReduceOp::Rows(const T* in, T* out, size_t begin, size_t end) const {
  const size_t inner = dim_[rank_ - 1].size;
  for (size_t row = begin; row < end; ++row) {
    size_t rest = row, at = 0;
    for (size_t i = rank_ - 1; i-- > 0;) {
      at += rest % dim_[i].size * dim_[i].out_stride;
      rest /= dim_[i].size;
    }
    if (inner_reduced_) {
      out[at] = Combine(reduction_, out[at], ReduceRow(in + row * inner));
    } else {
      Accumulate(in + row * inner, out + at, inner);
    }
  }
}

template <class T>
void ReduceOp::RunTyped(const RunContext& context) const {
  const auto* in = RunInput<T>(context, 0);
  auto* out = RunOutput<T>(context, 0);
  std::fill_n(out, outputs_, Identity<T>(reduction_));
  if (outputs_ != 0 && per_output_ != 0) {
    size_t rows = 1;
    for (size_t i = 0; i + 1 < rank_; ++i) rows *= dim_[i].size;
    // Rows that go to outputs of their own can be shared out.
    const bool parallel = inner_reduced_ && rank_ <= 2;
    const size_t grain = parallel ? Grain(dim_[rank_ - 1].size, 2) : rows;
    context.pool->For(rows, grain, [&](size_t, size_t begin, size_t end) {
      Rows(in, out, begin, end);
    });
  }
  if constexpr (std::is_same_v<T, float>) {
    if (reduction_ != Reduction::kMean) return;
    const auto divisor = static_cast<float>(per_output_);
    elementwise_->binary(kernels::Binary::kDiv, kernels::Spread::kRightScalar,
                         out, &divisor, out, outputs_);
  }
}

void ReduceOp::Run(const RunContext& context) const noexcept {
  if (type_ == DType::kF32) {
    RunTyped<float>(context);
  } else {
    RunTyped<int64_t>(context);
  }
}

}  // namespace bittern::runtime
