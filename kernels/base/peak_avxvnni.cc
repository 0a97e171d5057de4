// Peak loop of the dot product of bytes on AVX-VNNI. In namespace avxvnni: the
// check for {vex} encodings allows them there alone.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/base/peak_loops.h"

HWY_PUSH_ATTRIBUTES("avx,avx2,avxvnni")
namespace bittern::kernels::avxvnni {
namespace {

constexpr double kSteps = 12;  // per iteration: latency 4 to 5, two units

HWY_INLINE void Dot(__m256i& a, __m256i w, __m256i& sum) {
  BITTERN_OPAQUE(a);
  sum = _mm256_dpbusd_avx_epi32(sum, a, w);
}

void Run(size_t iterations) noexcept {
  const __m256i w = _mm256_set1_epi8(5);
  __m256i a = _mm256_set1_epi8(1);
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, s4 = s0,
          s5 = s0, s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
  for (size_t i = 0; i < iterations; ++i) {
    Dot(a, w, s0);
    Dot(a, w, s1);
    Dot(a, w, s2);
    Dot(a, w, s3);
    Dot(a, w, s4);
    Dot(a, w, s5);
    Dot(a, w, s6);
    Dot(a, w, s7);
    Dot(a, w, s8);
    Dot(a, w, s9);
    Dot(a, w, s10);
    Dot(a, w, s11);
  }
  __m256i sum = _mm256_add_epi32(
      _mm256_add_epi32(_mm256_add_epi32(s0, s1), _mm256_add_epi32(s2, s3)),
      _mm256_add_epi32(_mm256_add_epi32(s4, s5), _mm256_add_epi32(s6, s7)));
  sum = _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_add_epi32(s8, s9),
                                               _mm256_add_epi32(s10, s11)));
  BITTERN_OPAQUE(sum);
}

}  // namespace
}  // namespace bittern::kernels::avxvnni
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

constexpr PeakLoop kLoops[] = {
    {"w8a8/vnni", "avxvnni", avxvnni::kSteps * 32, &avxvnni::Run}};

}  // namespace

std::span<const PeakLoop> AvxVnniPeakLoops(const CpuFeatures&) {
  return kLoops;
}

}  // namespace bittern::kernels

#endif  // x86-64
