// A product with both operands in the form that kernels take and what is
// expected, by loops that share nothing with the kernels.
#pragma once

#include <string>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::test {

// How operands are filled. kMixed: random values, rows of activations in turn
// dense, with zeros, all lowest, all highest, all zero. kQuarter and kNormal:
// the same activations; weights a quarter of the range from either end, so that
// of four int8 the sum of magnitudes is that of two at the ends; normal ones,
// the highest at three deviations. kFractions: as kMixed, but zero points of
// groups are no integers.
enum class Fill {
  kDense,  // random, no zero in three-valued activations
  kZeros,  // random weights, activations all zero
  kMixed,
  kHighHigh,  // activations all highest, weights all highest
  kHighLow,   // activations highest, weights lowest
  kLowHigh,
  kLowLow,
  kQuarter,
  kNormal,
  kFractions,
};

struct Product {
  size_t m, n, k;
  kernels::GemmTypes types;
  std::vector<uint8_t> canonical;
  std::vector<uint64_t> planes;
  std::vector<uint8_t> bytes;
  std::vector<float> floats;
  std::vector<float> scale, zero;  // of groups
  std::vector<int32_t> expected;   // [m][n]; bits of the float for kF32
  kernels::GemmLhs lhs;

  float FloatAt(size_t row, size_t k) const;
  std::string Name() const;  // "w<type>a<type>[g<group>]", numbers of Operand
  // The first n channels as the kernel's right operand, of packed_rhs_bytes.
  void Pack(const kernels::GemmKernel& kernel, size_t n, void* packed) const;
};

int32_t FloatBits(float x);

Product MakeProduct(kernels::GemmTypes types, size_t m, size_t n, size_t k,
                    Fill fill, uint64_t seed);

}  // namespace bittern::test
