// Transposes a matrix of floats in blocks that keep source and destination
// lines in L1.
#pragma once

#include <algorithm>
#include <cstddef>

namespace bittern::runtime {

// out[c * out_stride + r] = in[r * in_stride + c] for r < rows, c < cols.
inline void TransposeBlocks(const float* in, size_t in_stride, size_t rows,
                            size_t cols, float* out, size_t out_stride) {
  constexpr size_t kBlock = 16;
  for (size_t c0 = 0; c0 < cols; c0 += kBlock) {
    const size_t c1 = std::min(cols, c0 + kBlock);
    for (size_t r0 = 0; r0 < rows; r0 += kBlock) {
      const size_t r1 = std::min(rows, r0 + kBlock);
      for (size_t c = c0; c < c1; ++c) {
        for (size_t r = r0; r < r1; ++r)
          out[c * out_stride + r] = in[r * in_stride + c];
      }
    }
  }
}

}  // namespace bittern::runtime
