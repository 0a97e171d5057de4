// Activation codes as AVX2 kernels read them to pack a left operand: bytes
// a - lo, lo the lowest value of their type, so that they are unsigned; of byte
// codes and of sign planes alike.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_bits.h"

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

// Bytes of -1 where a bit of `bits` is set.
HWY_INLINE __m256i BytesOfBits(uint32_t bits) {
  const __m256i byte = _mm256_setr_epi64x(
      0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit =
      _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
  const __m256i spread =
      _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)), byte);
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
}

HWY_INLINE __m256i FirstBytes(__m256i x, size_t count) {  // others become 0
  alignas(32) static constexpr int8_t kIndex[32] = {
      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
  const __m256i index =
      _mm256_load_si256(reinterpret_cast<const __m256i*>(kIndex));
  const __m256i limit = _mm256_set1_epi8(static_cast<char>(count));
  return _mm256_and_si256(x, _mm256_cmpgt_epi8(limit, index));
}

// All rows of an operand, and one of them.
struct CodeRows {
  const GemmLhs* lhs;
  size_t k;
  bool planes;
  __m256i lo;
};
struct CodeRow {
  const uint8_t* bytes;
  const uint64_t *sign, *valid;
  size_t k;
  __m256i lo;
};

HWY_INLINE CodeRows CodeRowsOf(Operand type, const GemmLhs& lhs, size_t k) {
  return {&lhs, k, type == Operand::kSign,
          _mm256_set1_epi8(static_cast<char>(RangeOf(type).lo))};
}

HWY_INLINE CodeRow RowOf(const CodeRows& rows, size_t row) {
  const GemmLhs& lhs = *rows.lhs;
  if (rows.planes) {
    const size_t word = row * lhs.planes.row_words;
    return {nullptr, lhs.planes.sign + word, lhs.planes.valid + word, rows.k,
            rows.lo};
  }
  return {lhs.bytes + static_cast<ptrdiff_t>(row) * lhs.bytes_stride, nullptr,
          nullptr, rows.k, rows.lo};
}

// Codes [i, i + 32) less lo; 0 past k. i is a multiple of 32.
HWY_INLINE __m256i LoadCodes(const CodeRow& row, size_t i) {
  const size_t left = row.k - i;
  __m256i codes;
  if (row.bytes == nullptr) {
    const __m256i plus = BytesOfBits(PlaneWord(row.sign, i / 32));
    codes = _mm256_sub_epi8(BytesOfBits(PlaneWord(row.valid, i / 32)),
                            _mm256_add_epi8(plus, plus));
  } else if (left >= 32) {
    __builtin_prefetch(row.bytes + i + kCodesAhead);
    codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row.bytes + i));
  } else {
    alignas(32) uint8_t tail[32] = {};
    std::memcpy(tail, row.bytes + i, left);
    codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(tail));
  }
  const __m256i result = _mm256_sub_epi8(codes, row.lo);
  return left >= 32 ? result : FirstBytes(result, left);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
