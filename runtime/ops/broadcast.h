// Numpy broadcasting for ops of N inputs: the loop nest, with dimensions merged
// where no input changes its stride, so that most ops see one or two of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "runtime/base/tensor.h"
#include "runtime/base/thread_pool.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {

// The broadcast of two shapes.
Result<Shape> BroadcastShape(const InferContext& context, const Shape& a,
                             const Shape& b);

template <size_t N>
class BroadcastLoop {
 public:
  using Offsets = std::array<size_t, N>;

  BroadcastLoop() = default;
  // `out` is the broadcast of all of `in`.
  BroadcastLoop(const Shape& out, const std::array<const Shape*, N>& in) {
    std::array<size_t, N> step;
    step.fill(1);
    for (size_t i = out.rank(); i-- > 0;) {
      const auto dim = static_cast<size_t>(out[i]);
      Offsets stride{};
      for (size_t p = 0; p < N; ++p) {
        const size_t missing = out.rank() - in[p]->rank();
        const size_t own =
            i < missing ? 1 : static_cast<size_t>((*in[p])[i - missing]);
        stride[p] = own == 1 ? 0 : step[p];
        step[p] *= own;
      }
      if (dim != 1) Prepend(dim, stride);
    }
    if (rank_ == 0) {
      Offsets ones;
      ones.fill(1);
      Prepend(1, ones);
    }
  }

  // Calls fn(offset of the output, offsets of the inputs, count) for runs of
  // `count` outputs along which input p advances by Inner(p), 0 or 1.
  template <class Fn>
  void For(const ThreadPool& pool, const Fn& fn) const {
    const size_t inner = dim_[0];
    if (rank_ == 1) {
      pool.For(inner, Grain(1, 1), [&](size_t, size_t begin, size_t end) {
        Offsets at;
        for (size_t p = 0; p < N; ++p) at[p] = begin * stride_[0][p];
        fn(begin, at, end - begin);
      });
      return;
    }
    size_t outer = 1;
    for (size_t i = 1; i < rank_; ++i) outer *= dim_[i];
    const size_t grain = Grain(inner, 1);
    pool.For(outer, grain,
             [&](size_t, size_t begin, size_t end) { Rows(begin, end, fn); });
  }

  size_t Inner(size_t input) const { return stride_[0][input]; }

 private:
  // A new outermost dimension, merged into the present one if that walks on.
  void Prepend(size_t dim, const Offsets& stride) {
    if (rank_ != 0) {
      bool merge = true;
      for (size_t p = 0; p < N; ++p) {
        merge = merge && stride[p] == stride_[rank_ - 1][p] * dim_[rank_ - 1];
      }
      if (merge) {
        dim_[rank_ - 1] *= dim;
        return;
      }
    }
    dim_[rank_] = dim;
    stride_[rank_++] = stride;
  }

  template <class Fn>
  void Rows(size_t begin, size_t end, const Fn& fn) const {
    std::array<size_t, kMaxRank> index{};
    Offsets at{};
    size_t rest = begin;
    for (size_t i = 1; i < rank_; ++i) {
      index[i] = rest % dim_[i];
      rest /= dim_[i];
      for (size_t p = 0; p < N; ++p) at[p] += index[i] * stride_[i][p];
    }
    for (size_t row = begin; row < end; ++row) {
      fn(row * dim_[0], at, dim_[0]);
      for (size_t i = 1; i < rank_; ++i) {
        for (size_t p = 0; p < N; ++p) at[p] += stride_[i][p];
        if (++index[i] < dim_[i]) break;
        for (size_t p = 0; p < N; ++p) at[p] -= dim_[i] * stride_[i][p];
        index[i] = 0;
      }
    }
  }

  size_t rank_ = 0;
  std::array<size_t, kMaxRank> dim_{};      // innermost first
  std::array<Offsets, kMaxRank> stride_{};  // elements
};

}  // namespace bittern::runtime
