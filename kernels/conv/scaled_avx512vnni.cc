// Convolution of scaled channels on AVX-512 VNNI: one vpdpbusd for a quad of
// taps and 16 output channels, then vcvtdq2ps and a fused multiply-add by the
// channel's scale; a tile of 8 pixels x 32 channels in registers. A 3x3 window
// takes 4 instructions on the two multipliers where fp32 takes 9. Quads are
// unsigned, so nothing saturates. 16 accumulators, 6 weights, 3 quads, 2 sums
// and the scale fit 32 registers. Tests compile this file a second time over
// SIMDe (BITTERN_SIMDE).
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include "kernels/base/avx512-inl.h"
#include "kernels/conv/scaled_kernels.h"

BITTERN_AVX512_BEGIN("avx2,avx512f,avx512bw,avx512vl,avx512vnni")

#include "kernels/conv/quads_x86-inl.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 32;
constexpr size_t kMr = 8;
constexpr size_t kTileBytes = kNr * kQuad;  // weights of a line

struct Sums {  // 32 channels of a pixel
  __m512 a, b;
};

struct Weights {  // of one line
  __m512i a, b;
};

HWY_INLINE Weights LoadWeights(const int8_t* w) {
  return {_mm512_loadu_si512(w), _mm512_loadu_si512(w + 64)};
}

HWY_INLINE __m512i Spread(const uint8_t* quad) {
  int32_t value;
  std::memcpy(&value, quad, sizeof(value));
  return _mm512_set1_epi32(value);
}

struct Taps {  // what the lines add up to in a pixel
  __m512i a, b;
};

HWY_INLINE void Add(const uint8_t* quad, const Weights& w, Taps& taps) {
  const __m512i codes = Spread(quad);
  taps.a = _mm512_dpbusd_epi32(taps.a, codes, w.a);
  taps.b = _mm512_dpbusd_epi32(taps.b, codes, w.b);
}

HWY_INLINE void Scale(const Taps& taps, __m512 scale, Sums& sums) {
  sums.a = MulAdd(ToFloats(taps.a), scale, sums.a);
  sums.b = MulAdd(ToFloats(taps.b), scale, sums.b);
}

HWY_INLINE void Store(const Sums& sums, float* strip) {
  _mm512_storeu_ps(strip, sums.a);
  _mm512_storeu_ps(strip + 16, sums.b);
}

// Three lines, as windows of 3x3 have.
struct Three {
  const uint8_t *q0, *q1, *q2;
  Weights w0, w1, w2;
  __m512 scale;

  HWY_INLINE void Pixel(ptrdiff_t at, Sums& sums) const {
    const __m512i zero = _mm512_setzero_si512();
    Taps taps{zero, zero};
    Add(q0 + at, w0, taps);
    Add(q1 + at, w1, taps);
    Add(q2 + at, w2, taps);
    Scale(taps, scale, sums);
  }
};

// kRows pixels from `row` on. Named accumulators: g++ 12 keeps an array of them
// in memory.
template <size_t kRows>
void ThreeLines(const ScaledArgs& args, size_t row) {
  const ptrdiff_t p = args.pixel, at = static_cast<ptrdiff_t>(row) * p;
  Three t{args.quads[0] + at,
          args.quads[1] + at,
          args.quads[2] + at,
          {},
          {},
          {},
          {}};
  const int8_t* w = args.filters;
  const __m512 zero = _mm512_setzero_ps();
  Sums s0{zero, zero}, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0,
                       s7 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    t.w0 = LoadWeights(w);
    t.w1 = LoadWeights(w + kTileBytes);
    t.w2 = LoadWeights(w + 2 * kTileBytes);
    t.scale = _mm512_set1_ps(args.scale[c]);
    t.Pixel(0, s0);
    if constexpr (kRows > 1) t.Pixel(p, s1);
    if constexpr (kRows > 2) t.Pixel(2 * p, s2);
    if constexpr (kRows > 3) t.Pixel(3 * p, s3);
    if constexpr (kRows > 4) t.Pixel(4 * p, s4);
    if constexpr (kRows > 5) t.Pixel(5 * p, s5);
    if constexpr (kRows > 6) t.Pixel(6 * p, s6);
    if constexpr (kRows > 7) t.Pixel(7 * p, s7);
    t.q0 += kQuad;
    t.q1 += kQuad;
    t.q2 += kQuad;
    w += 3 * kTileBytes;
  }
  float* strip = args.strip + row * args.strip_stride;
  const size_t stride = args.strip_stride;
  Store(s0, strip);
  if constexpr (kRows > 1) Store(s1, strip + stride);
  if constexpr (kRows > 2) Store(s2, strip + 2 * stride);
  if constexpr (kRows > 3) Store(s3, strip + 3 * stride);
  if constexpr (kRows > 4) Store(s4, strip + 4 * stride);
  if constexpr (kRows > 5) Store(s5, strip + 5 * stride);
  if constexpr (kRows > 6) Store(s6, strip + 6 * stride);
  if constexpr (kRows > 7) Store(s7, strip + 7 * stride);
}

// Any number of lines; pixels that are not there repeat the last.
void AnyLines(const ScaledArgs& args, size_t row, size_t count) {
  const auto at = [&](size_t r) {
    return static_cast<ptrdiff_t>(row + (r < count ? r : count - 1)) *
           args.pixel;
  };
  const ptrdiff_t p0 = at(0), p1 = at(1), p2 = at(2), p3 = at(3);
  const int8_t* w = args.filters;
  const __m512 zero = _mm512_setzero_ps();
  const __m512i none = _mm512_setzero_si512();
  Sums s0{zero, zero}, s1 = s0, s2 = s0, s3 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    Taps t0{none, none}, t1 = t0, t2 = t0, t3 = t0;
    for (size_t l = 0; l < args.lines; ++l, w += kTileBytes) {
      const Weights weights = LoadWeights(w);
      const uint8_t* quads = args.quads[l] + c * kQuad;
      Add(quads + p0, weights, t0);
      Add(quads + p1, weights, t1);
      Add(quads + p2, weights, t2);
      Add(quads + p3, weights, t3);
    }
    const __m512 scale = _mm512_set1_ps(args.scale[c]);
    Scale(t0, scale, s0);
    Scale(t1, scale, s1);
    Scale(t2, scale, s2);
    Scale(t3, scale, s3);
  }
  float* strip = args.strip + row * args.strip_stride;
  const size_t stride = args.strip_stride;
  Store(s0, strip);
  if (count > 1) Store(s1, strip + stride);
  if (count > 2) Store(s2, strip + 2 * stride);
  if (count > 3) Store(s3, strip + 3 * stride);
}

void Run(const ScaledArgs& args) noexcept {
  if (args.lines != 3) {
    for (size_t row = 0; row < args.rows; row += 4)
      AnyLines(args, row, HWY_MIN(args.rows - row, size_t{4}));
    return;
  }
  size_t row = 0;
  for (; row + 8 <= args.rows; row += 8) ThreeLines<8>(args, row);
  const size_t left = args.rows - row;
  if ((left & 4) != 0) ThreeLines<4>(args, row);
  row += left & 4;
  if ((left & 2) != 0) ThreeLines<2>(args, row);
  row += left & 2;
  if ((left & 1) != 0) ThreeLines<1>(args, row);
}

constexpr ScaledKernel kKernels[] = {
    {"scaled/vnni/avx512vnni", kAvx512 | kAvx512Vnni, kNr, kMr, false,
     &MakeQuads, &Run, 62, false},
};

}  // namespace

#ifdef BITTERN_SIMDE
std::span<const ScaledKernel> ScaledAvx512VnniSimde() { return kKernels; }
#else
std::span<const ScaledKernel> ScaledAvx512Vnni(const CpuFeatures&) {
  return kKernels;
}
#endif

}  // namespace bittern::kernels
BITTERN_AVX512_END
#endif
