// Products by look-up on AVX2: the activations of a group of k (4 k of 1-bit
// weights, 2 k of 2-bit weights) select a row of a static table, the weights of
// a channel, a nibble, select the byte in it: vpshufb + vpaddb per 32 channels.
// Table entries and what is added afterwards are the kernels' own
// (gemm_w1a1_avx2lut.cc, gemm_w2a2_avx2lut.cc).
// Left operand: a uint16 a group, the byte offset of its table row.
// Right operand: packed[t][g][p] (byte) = nibble of group g of channel
// LutChannel(p) of tile t (kernels/base/lut_avx2-inl.h). 0 past n.
// Range: byte sums are widened every `chunk` groups, before they pass 255;
// 16-bit sums are modulo 2^16 and hold |dot| <= 32767.
#pragma once

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/base/lut_avx2-inl.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {
namespace {

constexpr size_t kLutMr = 4;

}  // namespace
}  // namespace bittern::kernels

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

struct LutRows {  // left rows and strip rows; strides in elements
  const uint8_t* table;
  const uint16_t* states;
  size_t stride;
  size_t digits;  // passes over the weights, highest digit of base 4 first
  size_t digit_stride;
  size_t groups;
  size_t chunk;
  uint16_t start;  // of every sum
  int32_t* strip;
  size_t strip_stride;
};

template <size_t kVectors>
HWY_INLINE void NextDigit(LutTile<kVectors>& sums) {
  sums.c0 = _mm256_slli_epi16(sums.c0, 2);
  sums.c1 = _mm256_slli_epi16(sums.c1, 2);
  if constexpr (kVectors > 2) sums.c2 = _mm256_slli_epi16(sums.c2, 2);
  if constexpr (kVectors > 3) sums.c3 = _mm256_slli_epi16(sums.c3, 2);
}

template <size_t kVectors>
HWY_INLINE LutTile<kVectors> LoadTile(const uint8_t* w) {
  const auto* p = reinterpret_cast<const __m256i*>(w);
  const __m256i w0 = _mm256_loadu_si256(p), w1 = _mm256_loadu_si256(p + 1);
  if constexpr (kVectors == 2) return {w0, w1, w0, w1};
  const __m256i w2 = _mm256_loadu_si256(p + 2);
  if constexpr (kVectors == 3) return {w0, w1, w2, w2};
  return {w0, w1, w2, _mm256_loadu_si256(p + 3)};
}

template <size_t kVectors>
HWY_INLINE void Step(const LutTile<kVectors>& w, const uint8_t* table_row,
                     LutTile<kVectors>& sum) {
  const __m256i row = LoadTableRow(table_row);
  LookUp(row, w.c0, sum.c0);
  LookUp(row, w.c1, sum.c1);
  if constexpr (kVectors > 2) LookUp(row, w.c2, sum.c2);
  if constexpr (kVectors > 3) LookUp(row, w.c3, sum.c3);
}

// finish(sums, states, j): 16 sums of channels j .. j + 15 of the row of
// `states`, as they go to the strip.
template <class Finish>
HWY_INLINE void StoreVector(__m256i both, __m256i odd, const Finish& finish,
                            const uint16_t* states, size_t j, int32_t* strip) {
  StoreSixteen(finish(EvenSums(both, odd), states, j), strip + j);
  StoreSixteen(finish(odd, states, j + 16), strip + j + 16);
}

template <size_t kVectors, class Finish>
HWY_INLINE void StoreRow(const LutWide<kVectors>& wide, const LutRows& rows,
                         size_t r, const Finish& finish) {
  const uint16_t* states = rows.states + r * rows.stride;
  int32_t* strip = rows.strip + r * rows.strip_stride;
  StoreVector(wide.both.c0, wide.odd.c0, finish, states, 0, strip);
  StoreVector(wide.both.c1, wide.odd.c1, finish, states, 32, strip);
  if constexpr (kVectors > 2)
    StoreVector(wide.both.c2, wide.odd.c2, finish, states, 64, strip);
  if constexpr (kVectors > 3)
    StoreVector(wide.both.c3, wide.odd.c3, finish, states, 96, strip);
}

// One or two rows x 128 or 96 channels, or up to four rows x 64: eight byte
// sums and the weights fit 16 registers. Named sums: g++ 12 keeps an array of
// them in memory.
template <size_t kRows, size_t kVectors, class Finish>
void LutBlock(const LutRows& rows, const uint8_t* weights,
              const Finish& finish) {
  using Tile = LutTile<kVectors>;
  const __m256i zero = _mm256_setzero_si256();
  const size_t stride = rows.stride, step = rows.chunk * kLutNr;
  const uint8_t *table = rows.table, *last = weights + rows.groups * kLutNr;
  LutWide<kVectors> wide0 = StartWide<kVectors>(rows.start), wide1 = wide0,
                    wide2 = wide0, wide3 = wide0;
  size_t digit = 0;
  for (;;) {
    const uint16_t* a = rows.states + digit * rows.digit_stride;
    const uint8_t* w = weights;
    do {  // groups >= 1; g++ 12 copies every accumulator once a turn in a loop
          // that may run zero times
      const uint8_t* end =
          static_cast<size_t>(last - w) < step ? last : w + step;
      Tile sum0{zero, zero, zero, zero}, sum1 = sum0, sum2 = sum0, sum3 = sum0;
      do {
        const Tile tile = LoadTile<kVectors>(w);
        Step(tile, table + a[0], sum0);
        if constexpr (kRows > 1) Step(tile, table + a[stride], sum1);
        if constexpr (kRows > 2) Step(tile, table + a[2 * stride], sum2);
        if constexpr (kRows > 3) Step(tile, table + a[3 * stride], sum3);
        ++a;
        w += kLutNr;
      } while (w != end);
      Widen(sum0, wide0);
      if constexpr (kRows > 1) Widen(sum1, wide1);
      if constexpr (kRows > 2) Widen(sum2, wide2);
      if constexpr (kRows > 3) Widen(sum3, wide3);
    } while (w != last);
    if (++digit == rows.digits) break;
    NextDigit(wide0.both);
    NextDigit(wide0.odd);
    if constexpr (kRows > 1) NextDigit(wide1.both);
    if constexpr (kRows > 1) NextDigit(wide1.odd);
    if constexpr (kRows > 2) NextDigit(wide2.both);
    if constexpr (kRows > 2) NextDigit(wide2.odd);
    if constexpr (kRows > 3) NextDigit(wide3.both);
    if constexpr (kRows > 3) NextDigit(wide3.odd);
  }
  StoreRow(wide0, rows, 0, finish);
  if constexpr (kRows > 1) StoreRow(wide1, rows, 1, finish);
  if constexpr (kRows > 2) StoreRow(wide2, rows, 2, finish);
  if constexpr (kRows > 3) StoreRow(wide3, rows, 3, finish);
}

// 64 channels of up to four rows.
template <class Finish>
void LutHalfBlock(size_t count, const LutRows& rows, const uint8_t* weights,
                  const Finish& finish) {
  switch (count) {
    case 1:
      return LutBlock<1, 2>(rows, weights, finish);
    case 2:
      return LutBlock<2, 2>(rows, weights, finish);
    case 3:
      return LutBlock<3, 2>(rows, weights, finish);
    default:
      return LutBlock<4, 2>(rows, weights, finish);
  }
}

// Two rows, or one, of more channels.
template <size_t kVectors, class Finish>
void LutPair(size_t count, const LutRows& rows, const uint8_t* weights,
             const Finish& finish) {
  count > 1 ? LutBlock<2, kVectors>(rows, weights, finish)
            : LutBlock<1, kVectors>(rows, weights, finish);
}

// All rows of a strip: `channels` of a tile.
template <class Finish>
void LutStrip(LutRows rows, size_t count, size_t channels,
              const uint8_t* weights, const Finish& finish) {
  const bool half = channels <= kLutHalf;
  const size_t mr = half ? 4 : 2;
  for (size_t r = 0; r < count; r += mr) {
    if (half) {
      LutHalfBlock(count - r, rows, weights, finish);
    } else if (channels <= 96) {  // Swin's first stage
      LutPair<3>(count - r, rows, weights, finish);
    } else {
      LutPair<4>(count - r, rows, weights, finish);
    }
    rows.states += mr * rows.stride;
    rows.strip += mr * rows.strip_stride;
  }
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
