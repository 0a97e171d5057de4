// Sizes and small integer helpers of the bit-plane layouts. Everything here is
// constexpr and portable.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/base/types.h"

namespace bittern::kernels {

constexpr size_t CeilDiv(size_t a, size_t b) { return (a + b - 1) / b; }
constexpr size_t RoundUp(size_t a, size_t b) { return CeilDiv(a, b) * b; }

// Words of 64 bits that one group of `group` columns takes.
constexpr size_t GroupWords(size_t group) { return CeilDiv(group, 64); }

// Words of one row of `cols` columns in groups of `group`. Requires cols %
// group == 0.
constexpr size_t RowWords(size_t cols, size_t group) {
  return cols / group * GroupWords(group);
}

// Bytes of a CodePlanes buffer: [sign plane][valid plane][valid_count], each
// part rounded up to 64 bytes.
constexpr size_t CodePlanesBytes(size_t rows, size_t cols, size_t group) {
  const size_t plane = RoundUp(rows * RowWords(cols, group) * 8, 64);
  return 2 * plane + RoundUp(rows * sizeof(int32_t), 64);
}

// View of a buffer of CodePlanesBytes(rows, cols, group) bytes, aligned to 64.
inline CodePlanes ViewCodePlanes(void* data, size_t rows, size_t cols,
                                 size_t group) {
  const size_t words = RowWords(cols, group);
  const size_t plane = RoundUp(rows * words * 8, 64);
  auto* bytes = static_cast<uint8_t*>(data);
  return {reinterpret_cast<uint64_t*>(bytes),
          reinterpret_cast<uint64_t*>(bytes + plane),
          reinterpret_cast<int32_t*>(bytes + 2 * plane),
          rows,
          cols,
          group,
          words};
}

// Code at (row, col) of `p`: -1, 0 or +1.
inline int CodeAt(const CodePlanes& p, size_t row, size_t col) {
  const size_t word = row * p.row_words + col / p.group * GroupWords(p.group) +
                      col % p.group / 64;
  const uint64_t bit = uint64_t{1} << (col % p.group % 64);
  if ((p.valid[word] & bit) == 0) return 0;
  return (p.sign[word] & bit) != 0 ? 1 : -1;
}

}  // namespace bittern::kernels
