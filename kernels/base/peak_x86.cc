// Peak loops of the raw-intrinsic kernels of x86: table look-up on AVX2, xor +
// vpopcntd + add on AVX-512.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/base/peak_loops.h"

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

HWY_INLINE void LookUp(__m256i& table, __m256i w, __m256i& sum) {
  BITTERN_OPAQUE(table);
  sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, w));
}

void RunLookUp(size_t iterations) noexcept {
  const __m256i w = _mm256_set1_epi8(5);
  __m256i table = _mm256_set1_epi8(1);
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, s4 = s0,
          s5 = s0, s6 = s0, s7 = s0;
  for (size_t i = 0; i < iterations; ++i) {
    LookUp(table, w, s0);
    LookUp(table, w, s1);
    LookUp(table, w, s2);
    LookUp(table, w, s3);
    LookUp(table, w, s4);
    LookUp(table, w, s5);
    LookUp(table, w, s6);
    LookUp(table, w, s7);
  }
  __m256i sum = _mm256_add_epi8(
      _mm256_add_epi8(_mm256_add_epi8(s0, s1), _mm256_add_epi8(s2, s3)),
      _mm256_add_epi8(_mm256_add_epi8(s4, s5), _mm256_add_epi8(s6, s7)));
  BITTERN_OPAQUE(sum);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

HWY_PUSH_ATTRIBUTES("avx512f,avx512vpopcntdq")
namespace bittern::kernels {
namespace {

HWY_INLINE void CountBits(__m512i& a, __m512i w, __m512i& count) {
  BITTERN_OPAQUE(a);
  count = _mm512_add_epi32(count, _mm512_popcnt_epi32(_mm512_xor_si512(w, a)));
}

void RunPopcount(size_t iterations) noexcept {
  const __m512i w = _mm512_set1_epi32(0x5A5A5A5A);
  __m512i a = _mm512_setzero_si512();
  __m512i c0 = a, c1 = a, c2 = a, c3 = a, c4 = a, c5 = a, c6 = a, c7 = a;
  for (size_t i = 0; i < iterations; ++i) {
    CountBits(a, w, c0);
    CountBits(a, w, c1);
    CountBits(a, w, c2);
    CountBits(a, w, c3);
    CountBits(a, w, c4);
    CountBits(a, w, c5);
    CountBits(a, w, c6);
    CountBits(a, w, c7);
  }
  __m512i sum = _mm512_add_epi32(
      _mm512_add_epi32(_mm512_add_epi32(c0, c1), _mm512_add_epi32(c2, c3)),
      _mm512_add_epi32(_mm512_add_epi32(c4, c5), _mm512_add_epi32(c6, c7)));
  BITTERN_OPAQUE(sum);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

constexpr PeakLoop kAvx2Loops[] = {
    {"w1a1/lut", "avx2", 8.0 * 32 * 4, &RunLookUp}};
constexpr PeakLoop kAvx512Loops[] = {
    {"w1a1/popcount", "avx512dl", 8.0 * 512, &RunPopcount}};

}  // namespace

std::span<const PeakLoop> Avx2PeakLoops(const CpuFeatures&) {
  return kAvx2Loops;
}
std::span<const PeakLoop> Avx512VpopcntdqPeakLoops(const CpuFeatures&) {
  return kAvx512Loops;
}

}  // namespace bittern::kernels

#endif  // x86-64
