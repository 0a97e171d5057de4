// Convolution of scaled channels on AVX2 (scaled_maddubs-inl.h): a tile of 6
// pixels x 8 channels in registers.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"

HWY_PUSH_ATTRIBUTES("avx,avx2,fma")

#include "kernels/conv/scaled_maddubs-inl.h"

namespace bittern::kernels {
namespace {

struct Avx2 {
  using Ints = __m256i;
  using Floats = __m256;
  static constexpr size_t kChannels = 8;

  static HWY_INLINE Ints Zero() { return _mm256_setzero_si256(); }
  static HWY_INLINE Ints Ones() { return _mm256_set1_epi16(1); }
  static HWY_INLINE Ints Load(const int8_t* w) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  }
  static HWY_INLINE Ints Products(int32_t codes, Ints w) {
    return _mm256_maddubs_epi16(_mm256_set1_epi32(codes), w);
  }
  static HWY_INLINE Ints Add(Ints a, Ints b) { return _mm256_add_epi16(a, b); }
  static HWY_INLINE Floats Pairs(Ints sums, Ints ones) {
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(sums, ones));
  }
  static HWY_INLINE Floats Spread(float x) { return _mm256_set1_ps(x); }
  static HWY_INLINE Floats MulAdd(Floats x, Floats y, Floats sum) {
    return _mm256_fmadd_ps(x, y, sum);
  }
  static HWY_INLINE void Store(Floats x, float* out) {
    _mm256_storeu_ps(out, x);
  }
};

constexpr ScaledKernel kKernels[] = {
    {"scaled/maddubs/avx2", kAvx2, kNr, kMr, false, &MakeQuads, &Run<Avx2>, 24,
     false},
};

}  // namespace

std::span<const ScaledKernel> ScaledAvx2Maddubs(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
#endif
