// Convolution of scaled channels on SSE4 by vpmaddubsw: one for a quad of taps
// and 4 output channels, the lines of a window added up in 16 bits, which hold
// them (TakesScaled), then vpmaddwd by ones, vcvtdq2ps and a multiply-add by
// the channel's scale; a tile of 6 pixels x 4 channels in registers. There is
// no fused multiply-add, so float sums differ from other targets'.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/conv/scaled_kernels.h"

HWY_PUSH_ATTRIBUTES("ssse3,sse4.1")

#include "kernels/conv/quads_x86-inl.h"
#include "kernels/conv/scaled_lines-inl.h"

namespace bittern::kernels {
namespace {

struct Sse4 {
  static constexpr size_t kNr = 16, kChannels = 4, kRows = 6;
  using Weights = __m128i;
  using Taps = __m128i;
  using Sums = __m128;
  using Scales = __m128;

  static HWY_INLINE Taps NoTaps() { return _mm_setzero_si128(); }
  static HWY_INLINE Sums NoSums() { return _mm_setzero_ps(); }
  static HWY_INLINE Weights Load(const int8_t* w) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(w));
  }
  static HWY_INLINE Scales Spread(float scale) { return _mm_set1_ps(scale); }
  static HWY_INLINE void Add(const uint8_t* quad, Weights w, Taps& taps) {
    int32_t codes;
    std::memcpy(&codes, quad, sizeof(codes));
    taps = _mm_add_epi16(taps, _mm_maddubs_epi16(_mm_set1_epi32(codes), w));
  }
  static HWY_INLINE void Scale(Taps taps, Scales scale, Sums& sums) {
    const __m128 sum = _mm_cvtepi32_ps(_mm_madd_epi16(taps, _mm_set1_epi16(1)));
    sums = _mm_add_ps(_mm_mul_ps(sum, scale), sums);
  }
  static HWY_INLINE void Store(Sums sums, float* strip) {
    _mm_storeu_ps(strip, sums);
  }
};

constexpr ScaledKernel kKernels[] = {
    {"scaled/maddubs/sse4", kSse4, Sse4::kNr, Sse4::kRows, false, &MakeQuads,
     &RunLines<Sse4>, 10, false},
};

}  // namespace

std::span<const ScaledKernel> ScaledSse4Maddubs(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
#endif
