// Convolution of scaled channels on AVX2 by vpmaddubsw: one for a quad of taps
// and 8 output channels, the lines of a window added up in 16 bits, which hold
// them (TakesScaled), then vpmaddwd by ones, vcvtdq2ps and a multiply-add by
// the channel's scale; a tile of 6 pixels x 8 channels in registers. A 3x3
// window takes 8 instructions, which all ports share, where fp32 takes 9 on
// two.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/conv/scaled_kernels.h"

HWY_PUSH_ATTRIBUTES("avx,avx2,fma")

#include "kernels/conv/quads_x86-inl.h"
#include "kernels/conv/scaled_lines-inl.h"

namespace bittern::kernels {
namespace {

struct Avx2 {
  static constexpr size_t kNr = 16, kChannels = 8, kRows = 6;
  using Weights = __m256i;
  using Taps = __m256i;
  using Sums = __m256;
  using Scales = __m256;

  static HWY_INLINE Taps NoTaps() { return _mm256_setzero_si256(); }
  static HWY_INLINE Sums NoSums() { return _mm256_setzero_ps(); }
  static HWY_INLINE Weights Load(const int8_t* w) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  }
  static HWY_INLINE Scales Spread(float scale) { return _mm256_set1_ps(scale); }
  static HWY_INLINE void Add(const uint8_t* quad, Weights w, Taps& taps) {
    int32_t codes;
    std::memcpy(&codes, quad, sizeof(codes));
    taps = _mm256_add_epi16(taps,
                            _mm256_maddubs_epi16(_mm256_set1_epi32(codes), w));
  }
  static HWY_INLINE void Scale(Taps taps, Scales scale, Sums& sums) {
    const __m256 sum =
        _mm256_cvtepi32_ps(_mm256_madd_epi16(taps, _mm256_set1_epi16(1)));
    sums = _mm256_fmadd_ps(sum, scale, sums);
  }
  static HWY_INLINE void Store(Sums sums, float* strip) {
    _mm256_storeu_ps(strip, sums);
  }
};

constexpr ScaledKernel kKernels[] = {
    {"scaled/maddubs/avx2", kAvx2, Avx2::kNr, Avx2::kRows, false, &MakeQuads,
     &RunLines<Avx2>, 24, false},
};

}  // namespace

std::span<const ScaledKernel> ScaledAvx2Maddubs(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
#endif
