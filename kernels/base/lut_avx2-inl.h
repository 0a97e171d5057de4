// What the AVX2 kernels by look-up share (gemm/lut_avx2-inl.h, the direct 1-bit
// convolution): 128 channels as bytes of one group of k, sums of table entries
// in bytes and, widened, in 16 bits, and the table rows of 1-bit activations.
// Byte p of 32 v + 2 i + h of a group is channel 32 v + 16 h + i, which makes
// widening come out in channel order. Byte sums are the caller's to widen
// before they pass 255; 16-bit sums are modulo 2^16.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "hwy/base.h"

namespace bittern::kernels {
namespace {

constexpr size_t kLutNr = 128;
constexpr size_t kLutHalf = 64;  // a last tile may have no more channels

// Channel of byte p of a group.
constexpr size_t LutChannel(size_t p) {
  return p / 32 * 32 + p % 2 * 16 + p % 32 / 2;
}

}  // namespace
}  // namespace bittern::kernels

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

// Two to four vectors of 32 channels in bytes: of the weights of one group, or
// of one row's sums.
template <size_t kVectors>
struct LutTile {
  __m256i c0, c1, c2, c3;
};

// 16-bit sums of one row: of the odd bytes alone, and of whole lanes (odd byte
// * 256 + even byte), which saves a mask per widening.
template <size_t kVectors>
struct LutWide {
  LutTile<kVectors> both, odd;
};

template <size_t kVectors>
HWY_INLINE LutWide<kVectors> StartWide(uint16_t start) {
  const __m256i o = _mm256_set1_epi16(static_cast<int16_t>(start));
  const __m256i b = _mm256_set1_epi16(
      static_cast<int16_t>(static_cast<uint16_t>(start * 257u)));
  return {{b, b, b, b}, {o, o, o, o}};
}

HWY_INLINE __m256i LoadTableRow(const uint8_t* row) {  // aligned to 16
  return _mm256_broadcastsi128_si256(
      _mm_load_si128(reinterpret_cast<const __m128i*>(row)));
}

HWY_INLINE void LookUp(__m256i table_row, __m256i w, __m256i& sum) {
  sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table_row, w));
}

HWY_INLINE void WidenVector(__m256i bytes, __m256i& both, __m256i& odd) {
  both = _mm256_add_epi16(both, bytes);
  odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
}

template <size_t kVectors>
HWY_INLINE void Widen(const LutTile<kVectors>& bytes, LutWide<kVectors>& wide) {
  WidenVector(bytes.c0, wide.both.c0, wide.odd.c0);
  WidenVector(bytes.c1, wide.both.c1, wide.odd.c1);
  if constexpr (kVectors > 2) WidenVector(bytes.c2, wide.both.c2, wide.odd.c2);
  if constexpr (kVectors > 3) WidenVector(bytes.c3, wide.both.c3, wide.odd.c3);
}

// The first 16 of a vector's 32 channels; the others are `odd`.
HWY_INLINE __m256i EvenSums(__m256i both, __m256i odd) {
  return _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
}

HWY_INLINE void StoreSixteen(__m256i sums, int32_t* strip) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(strip),
                     _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sums)));
  _mm256_store_si256(reinterpret_cast<__m256i*>(strip + 8),
                     _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sums, 1)));
}

// One 64-bit word of a sign and of a validity plane -> 16 byte offsets of rows
// of kSignTable (sign_table.h): sign bits << 4 | validity bits << 8 of four
// codes each.
HWY_INLINE void PackSignStates(const uint64_t* sign, const uint64_t* valid,
                               uint16_t* states) {
  const __m128i low = _mm_set1_epi8(0x0F),
                high = _mm_set1_epi8(static_cast<char>(0xF0));
  const __m128i s = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(sign));
  const __m128i v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(valid));
  const __m128i even = _mm_unpacklo_epi8(
      _mm_and_si128(_mm_slli_epi16(s, 4), high), _mm_and_si128(v, low));
  const __m128i odd = _mm_unpacklo_epi8(
      _mm_and_si128(s, high), _mm_and_si128(_mm_srli_epi16(v, 4), low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(states),
                   _mm_unpacklo_epi16(even, odd));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(states + 8),
                   _mm_unpackhi_epi16(even, odd));
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
