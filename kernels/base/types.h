// Value types shared by all kernel families: bit-plane views of activation
// codes and the dimension letters (m n k: rows, output channels, reduction)
// fixed in kernels/README.md. No ownership, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bittern::kernels {

// What one operand of a GEMM holds. Activation codes of 1 bit are three-valued
// (-1, 0, +1): see CodePlanes.
enum class Operand : uint8_t {
  kF32,      // fp32
  kBipolar,  // weights in {-1, +1}, one bit each, bit 1 = +1
  kSign,     // activations in {-1, 0, +1}: sign plane and validity plane
};

// Bit planes of a matrix of three-valued codes c[m][k] in {-1, 0, +1}, rows x
// cols. Columns come in groups of `group` (attention heads); every group starts
// at a 64-bit word, so column c lies in word (c / group) * GroupWords + (c %
// group) / 64, bit c % 64. group == cols means one group. sign bit 1 = +1;
// valid bit 1 = non-zero; both bits 0 for a zero and for padding.
// valid_count[m] = number of non-zero codes of row m; == cols means that the
// row has no zero (fast path).
struct CodePlanes {
  uint64_t* sign;
  uint64_t* valid;
  int32_t* valid_count;
  size_t rows;
  size_t cols;
  size_t group;
  size_t row_words;  // words per row: groups * GroupWords
};

inline constexpr size_t kMaxRank = 8;

}  // namespace bittern::kernels
