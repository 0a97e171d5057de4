// Direct 1-bit convolution on AVX-512 with VPOPCNTDQ: channels in lanes, 32
// codes a step, a tile of 4 pixels x 64 channels in registers.
//   strip[row][j] = valid - 2 * popcount((a ^ w[j]) & v) over the taps
//   (no zero in any window: the mask drops out)
// Filters: packed[t][tap][i][j] of direct_kernels.h, four 64-byte loads a step;
// the word of codes is broadcast from the plane. Range: a lane counts at most k
// mismatches, k <= 2^30. 16 accumulators + 4 weights + 2 broadcasts fit 32
// registers. Tests compile this file a second time over SIMDe (BITTERN_SIMDE).
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#ifndef BITTERN_SIMDE
#include <immintrin.h>
#endif

#include "hwy/base.h"
#include "kernels/conv/direct_kernels.h"

#ifndef BITTERN_SIMDE
HWY_PUSH_ATTRIBUTES("avx512f,avx512vpopcntdq")
#endif

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 64;
constexpr size_t kMr = 4;
constexpr size_t kStepBytes = sizeof(uint32_t);
constexpr size_t kFilterBytes = kNr * sizeof(uint32_t);

struct Tile {  // 64 channels: of the filters for one step, or of one pixel's
               // mismatch counts
  __m512i c0, c1, c2, c3;
};

HWY_INLINE Tile LoadFilters(const uint8_t* w) {
  return {_mm512_loadu_si512(w), _mm512_loadu_si512(w + 64),
          _mm512_loadu_si512(w + 128), _mm512_loadu_si512(w + 192)};
}

HWY_INLINE __m512i Broadcast(const uint8_t* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return _mm512_set1_epi32(word);
}

template <bool kMasked>
HWY_INLINE __m512i Mismatches(__m512i count, __m512i w, __m512i a,
                              __m512i valid) {
  constexpr int kXorAnd = 0x28;  // truth table of (x ^ y) & z
  const __m512i x = kMasked ? _mm512_ternarylogic_epi32(w, a, valid, kXorAnd)
                            : _mm512_xor_si512(w, a);
  return _mm512_add_epi32(count, _mm512_popcnt_epi32(x));
}

template <bool kMasked>
HWY_INLINE void Step(const Tile& w, const uint8_t* sign, ptrdiff_t valid_after,
                     Tile& count) {
  const __m512i a = Broadcast(sign);
  const __m512i v = kMasked ? Broadcast(sign + valid_after) : a;
  count.c0 = Mismatches<kMasked>(count.c0, w.c0, a, v);
  count.c1 = Mismatches<kMasked>(count.c1, w.c1, a, v);
  count.c2 = Mismatches<kMasked>(count.c2, w.c2, a, v);
  count.c3 = Mismatches<kMasked>(count.c3, w.c3, a, v);
}

HWY_INLINE void Store(__m512i count, __m512i valid, int32_t* strip) {
  _mm512_store_si512(strip,
                     _mm512_sub_epi32(valid, _mm512_add_epi32(count, count)));
}

HWY_INLINE void StorePixel(const DirectArgs& args, const DirectPixel& pixel,
                           const Tile& count) {
  const __m512i valid = _mm512_set1_epi32(pixel.valid);
  int32_t* strip = args.strip + pixel.row * args.strip_stride;
  Store(count.c0, valid, strip);
  Store(count.c1, valid, strip + 16);
  Store(count.c2, valid, strip + 32);
  Store(count.c3, valid, strip + 48);
}

// kPixels named accumulators: g++ 12 keeps an array of them in memory. All
// loops run at least once; g++ 12 copies every accumulator where they might
// not.
template <bool kMasked, size_t kPixels>
void Block(const DirectArgs& args, const DirectPixel* pixels) {
  const __m512i zero = _mm512_setzero_si512();
  Tile r0{zero, zero, zero, zero}, r1 = r0, r2 = r0, r3 = r0;
  const uint8_t *a0 = args.image + pixels[0].at,
                *a1 = args.image + pixels[kPixels > 1 ? 1 : 0].at,
                *a2 = args.image + pixels[kPixels > 2 ? 2 : 0].at,
                *a3 = args.image + pixels[kPixels > 3 ? 3 : 0].at;
  const ptrdiff_t valid = args.valid_after;
  const uint8_t* filter_row = args.filters;
  ptrdiff_t row_at = 0;
  size_t rows = args.rows;
  do {
    const uint8_t* filter_run = filter_row;
    ptrdiff_t run_at = row_at;
    size_t runs = args.runs;
    do {
      const uint8_t* w = filter_run;
      ptrdiff_t at = run_at;
      size_t steps = args.steps;
      do {
        const Tile filters = LoadFilters(w);
        Step<kMasked>(filters, a0 + at, valid, r0);
        if constexpr (kPixels > 1) Step<kMasked>(filters, a1 + at, valid, r1);
        if constexpr (kPixels > 2) Step<kMasked>(filters, a2 + at, valid, r2);
        if constexpr (kPixels > 3) Step<kMasked>(filters, a3 + at, valid, r3);
        w += kFilterBytes;
        at += kStepBytes;
      } while (--steps != 0);
      filter_run += args.filter_run;
      run_at += args.image_run;
    } while (--runs != 0);
    filter_row += args.filter_row;
    row_at += args.image_row;
  } while (--rows != 0);
  StorePixel(args, pixels[0], r0);
  if constexpr (kPixels > 1) StorePixel(args, pixels[1], r1);
  if constexpr (kPixels > 2) StorePixel(args, pixels[2], r2);
  if constexpr (kPixels > 3) StorePixel(args, pixels[3], r3);
}

template <bool kMasked>
void Blocks(const DirectArgs& args) {
  size_t r = 0;
  for (; r + kMr <= args.count; r += kMr)
    Block<kMasked, kMr>(args, args.pixels + r);
  switch (args.count - r) {
    case 3:
      return Block<kMasked, 3>(args, args.pixels + r);
    case 2:
      return Block<kMasked, 2>(args, args.pixels + r);
    case 1:
      return Block<kMasked, 1>(args, args.pixels + r);
    default:
      return;
  }
}

void Run(const DirectArgs& args) noexcept {
  args.masked ? Blocks<true>(args) : Blocks<false>(args);
}

}  // namespace
}  // namespace bittern::kernels

#ifndef BITTERN_SIMDE
HWY_POP_ATTRIBUTES
#endif

namespace bittern::kernels {
namespace {

void Pack(const void* canonical, size_t n, size_t taps, size_t ic,
          void* packed) noexcept {
  PackFilterWords(canonical, n, taps, ic, kNr, packed);
}

constexpr DirectKernel kKernels[] = {
    {"w1a1/direct/avx512vpopcntdq", kAvx512 | kAvx512Vpopcntdq, kNr, 32,
     kStepBytes, kFilterBytes, size_t{1} << 30, &Pack, nullptr, nullptr, &Run,
     kNr, "w1a1/popcount/avx512vpopcntdq", 1.3, false},
};

}  // namespace

#ifdef BITTERN_SIMDE
std::span<const DirectKernel> DirectW1A1Avx512VpopcntdqSimde() {
  return kKernels;
}
#else
std::span<const DirectKernel> DirectW1A1Avx512Vpopcntdq(const CpuFeatures&) {
  return kKernels;
}
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
