// Copies elements of 1, 4 or 8 bytes from any strided view into dense memory:
// the one engine of Transpose, Slice, Expand and Tile. Runs of neighbours go by
// memcpy; where input and output are contiguous along different dimensions, it
// walks blocks that keep both in cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/thread_pool.h"
#include "runtime/ops/op.h"

namespace bittern::runtime {

class StridedCopy {
 public:
  static constexpr size_t kMaxDims = 2 * kMaxRank;

  StridedCopy() = default;
  // out[i0][i1]... = in[offset + i0 * strides[0] + i1 * strides[1] ...],
  // strides in elements, of either sign. Requires at most kMaxDims dimensions.
  StridedCopy(std::span<const int64_t> dims, std::span<const ptrdiff_t> strides,
              ptrdiff_t offset, size_t element_bytes);

  void Run(const void* in, void* out, const ThreadPool& pool) const noexcept;

 private:
  struct Dim {
    size_t size;
    ptrdiff_t in, out;  // strides in elements
  };
  template <class T>
  void RunTyped(const T* in, T* out, const ThreadPool& pool) const;
  template <class T>
  void ShortRows(const T* in, T* out, size_t begin, size_t end) const;
  template <class T>
  void Plane(const T* in, T* out, size_t begin, size_t end) const;

  // Outer dimensions first; then those of one plane: rows_, walked in blocks,
  // and inner_, along which the output is contiguous.
  std::array<Dim, kMaxDims> outer_{};
  size_t outer_rank_ = 0;
  Dim rows_{1, 0, 0}, inner_{1, 1, 1};
  ptrdiff_t offset_ = 0;
  size_t element_bytes_ = 4;
};

// Element strides of a dense tensor.
std::array<ptrdiff_t, kMaxRank> DenseStrides(const Shape& shape);

}  // namespace bittern::runtime
