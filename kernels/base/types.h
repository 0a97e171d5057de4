// Value types shared by all kernel families: bit-plane views of activation
// codes and the dimension letters (m n k: rows, output channels, reduction)
// fixed in kernels/README.md. No ownership, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bittern::kernels {

// What one operand of a product holds. Weights are stored in the canonical form
// of code_matrix.h. Activations come as fp32, as planes (kSign; {0, 1} codes
// are planes too, with sign = valid) or as bytes (CodeBytes): uint8 for kU*,
// int8 for the others.
enum class Operand : uint8_t {
  kF32,       // fp32
  kBipolar,   // {-1, +1}: one bit, 1 = +1
  kSign,      // activations in {-1, 0, +1}: sign plane and validity plane
  kTernary,   // {-1, 0, +1}
  kBipolar2,  // {-3, -1, 1, 3}
  kBipolar3,  // weights, the odd numbers of [-7, 7]
  kBipolar4,  // weights, the odd numbers of [-15, 15]
  kU1,        // [0, 1]
  kU2,        // [0, 3]
  kU3,        // [0, 7]
  kU4,        // [0, 15]
  kU8,        // [0, 255]
  kS2,        // [-2, 1]
  kS3,        // [-4, 3]
  kS4,        // [-8, 7]
  kS8,        // [-128, 127]
  kS16,       // weights with folded scales (fast16)
  kCount
};

// Activation codes of more than one bit: one value a byte.
struct CodeBytes {
  uint8_t* data;
  ptrdiff_t stride;  // bytes between rows
  size_t rows;
  size_t cols;
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
