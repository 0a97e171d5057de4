// Convolution of scaled channels on SSE4 (scaled_maddubs-inl.h): a tile of 6
// pixels x 4 channels in registers. There is no fused multiply-add, so float
// sums differ from other targets'.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"

HWY_PUSH_ATTRIBUTES("ssse3,sse4.1")

#include "kernels/conv/scaled_maddubs-inl.h"

namespace bittern::kernels {
namespace {

struct Sse4 {
  using Ints = __m128i;
  using Floats = __m128;
  static constexpr size_t kChannels = 4;

  static HWY_INLINE Ints Zero() { return _mm_setzero_si128(); }
  static HWY_INLINE Ints Ones() { return _mm_set1_epi16(1); }
  static HWY_INLINE Ints Load(const int8_t* w) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(w));
  }
  static HWY_INLINE Ints Products(int32_t codes, Ints w) {
    return _mm_maddubs_epi16(_mm_set1_epi32(codes), w);
  }
  static HWY_INLINE Ints Add(Ints a, Ints b) { return _mm_add_epi16(a, b); }
  static HWY_INLINE Floats Pairs(Ints sums, Ints ones) {
    return _mm_cvtepi32_ps(_mm_madd_epi16(sums, ones));
  }
  static HWY_INLINE Floats Spread(float x) { return _mm_set1_ps(x); }
  static HWY_INLINE Floats MulAdd(Floats x, Floats y, Floats sum) {
    return _mm_add_ps(_mm_mul_ps(x, y), sum);
  }
  static HWY_INLINE void Store(Floats x, float* out) { _mm_storeu_ps(out, x); }
};

constexpr ScaledKernel kKernels[] = {
    {"scaled/maddubs/sse4", kSse4, kNr, kMr, false, &MakeQuads, &Run<Sse4>, 10,
     false},
};

}  // namespace

std::span<const ScaledKernel> ScaledSse4Maddubs(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
#endif
