// Codes of 2 to 16 bits on AVX2 by multiply-add (madd-inl.h): a tile of 6 rows
// x 16 channels.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/gemm/lhs_codes_avx2-inl.h"

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

struct Avx2 {
  using Reg = __m256i;
  static constexpr size_t kLanes = 8, kCodes = 32;

  static HWY_INLINE Reg Zero() { return _mm256_setzero_si256(); }
  static HWY_INLINE Reg Set1(int32_t x) { return _mm256_set1_epi32(x); }
  static HWY_INLINE Reg Load(const int32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const Reg*>(p));
  }
  static HWY_INLINE void Store(Reg x, int32_t* p) {
    _mm256_store_si256(reinterpret_cast<Reg*>(p), x);
  }
  static HWY_INLINE Reg Add32(Reg x, Reg y) { return _mm256_add_epi32(x, y); }
  static HWY_INLINE Reg Add16(Reg x, Reg y) { return _mm256_add_epi16(x, y); }
  static HWY_INLINE Reg Madd(Reg a, Reg w) { return _mm256_madd_epi16(a, w); }
  static HWY_INLINE Reg Maddubs(Reg a, Reg w) {
    return _mm256_maddubs_epi16(a, w);
  }
  static HWY_INLINE void PutBytes(Reg codes, uint8_t* out) {
    _mm256_storeu_si256(reinterpret_cast<Reg*>(out), codes);
  }
  static HWY_INLINE void PutWords(Reg codes, uint8_t* out) {
    PutBytes(_mm256_cvtepu8_epi16(_mm256_castsi256_si128(codes)), out);
    PutBytes(_mm256_cvtepu8_epi16(_mm256_extracti128_si256(codes, 1)),
             out + 32);
  }
};

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

#define BITTERN_MADD_TARGET "avx,avx2"
#include "kernels/gemm/madd-inl.h"

namespace bittern::kernels {
namespace {

constexpr GemmKernel kKernels[] = {
    MaddKernel<Words<Avx2>>("w8a8/madd/avx2", kAvx2, &WordsMaxK),
    MaddKernel<Bytes<Avx2>>("w4a4/maddubs/avx2", kAvx2, &BytesMaxK),
};

}  // namespace

GemmKernelList GemmW8A8Avx2(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
