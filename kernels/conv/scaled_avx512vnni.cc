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
#include "kernels/conv/scaled_lines-inl.h"

namespace bittern::kernels {
namespace {

struct Vnni {
  static constexpr size_t kNr = 32, kChannels = 32, kRows = 8;
  struct Weights {
    __m512i a, b;
  };
  struct Taps {
    __m512i a, b;
  };
  struct Sums {
    __m512 a, b;
  };
  using Scales = __m512;

  static HWY_INLINE Taps NoTaps() {
    return {_mm512_setzero_si512(), _mm512_setzero_si512()};
  }
  static HWY_INLINE Sums NoSums() {
    return {_mm512_setzero_ps(), _mm512_setzero_ps()};
  }
  static HWY_INLINE Weights Load(const int8_t* w) {
    return {_mm512_loadu_si512(w), _mm512_loadu_si512(w + 64)};
  }
  static HWY_INLINE Scales Spread(float scale) { return _mm512_set1_ps(scale); }
  static HWY_INLINE void Add(const uint8_t* quad, const Weights& w,
                             Taps& taps) {
    int32_t value;
    std::memcpy(&value, quad, sizeof(value));
    const __m512i codes = _mm512_set1_epi32(value);
    taps.a = _mm512_dpbusd_epi32(taps.a, codes, w.a);
    taps.b = _mm512_dpbusd_epi32(taps.b, codes, w.b);
  }
  static HWY_INLINE void Scale(const Taps& taps, const Scales& scale,
                               Sums& sums) {
    sums.a = MulAdd(ToFloats(taps.a), scale, sums.a);
    sums.b = MulAdd(ToFloats(taps.b), scale, sums.b);
  }
  static HWY_INLINE void Store(const Sums& sums, float* strip) {
    _mm512_storeu_ps(strip, sums.a);
    _mm512_storeu_ps(strip + 16, sums.b);
  }
};

constexpr ScaledKernel kKernels[] = {
    {"scaled/vnni/avx512vnni", kAvx512 | kAvx512Vnni, Vnni::kNr, Vnni::kRows,
     false, &MakeQuads, &RunLines<Vnni>, 62, false},
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
