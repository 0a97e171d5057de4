// Peak loops of the raw-intrinsic kernels on AVX2: table look-up, and the
// multiply-adds. Eight sums: the additions that chain have latency 1.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/base/peak_loops.h"

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

struct LookUp {
  static HWY_INLINE __m256i Step(__m256i sum, __m256i a, __m256i w) {
    return _mm256_add_epi8(sum, _mm256_shuffle_epi8(a, w));
  }
};

struct MultiplyBytes {
  static HWY_INLINE __m256i Step(__m256i sum, __m256i a, __m256i w) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, w));
  }
};

struct MultiplyWords {
  static HWY_INLINE __m256i Step(__m256i sum, __m256i a, __m256i w) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, w));
  }
};

// Two steps of w8a8/maddubs that share 16 bits.
struct MultiplyPairs {
  static HWY_INLINE __m256i Step(__m256i sum, __m256i a, __m256i w) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i p = _mm256_maddubs_epi16(a, _mm256_xor_si256(a, w));
    const __m256i q = _mm256_maddubs_epi16(a, _mm256_xor_si256(a, ones));
    const __m256i pair = _mm256_add_epi16(p, q);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pair, ones));
  }
};

constexpr double kSteps = 8;  // per iteration

template <class Op>
HWY_INLINE void Add(__m256i& a, __m256i w, __m256i& sum) {
  BITTERN_OPAQUE(a);
  sum = Op::Step(sum, a, w);
}

template <class Op>
void Run(size_t iterations) noexcept {
  const __m256i w = _mm256_set1_epi8(5);
  __m256i a = _mm256_set1_epi8(1);
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, s4 = s0,
          s5 = s0, s6 = s0, s7 = s0;
  for (size_t i = 0; i < iterations; ++i) {
    Add<Op>(a, w, s0);
    Add<Op>(a, w, s1);
    Add<Op>(a, w, s2);
    Add<Op>(a, w, s3);
    Add<Op>(a, w, s4);
    Add<Op>(a, w, s5);
    Add<Op>(a, w, s6);
    Add<Op>(a, w, s7);
  }
  __m256i sum = _mm256_add_epi8(
      _mm256_add_epi8(_mm256_add_epi8(s0, s1), _mm256_add_epi8(s2, s3)),
      _mm256_add_epi8(_mm256_add_epi8(s4, s5), _mm256_add_epi8(s6, s7)));
  BITTERN_OPAQUE(sum);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

// A look-up serves 32 channels: 4 k of 1-bit weights, 2 k of 2-bit weights.
constexpr PeakLoop kLoops[] = {
    {"w1a1/lut", "avx2", kSteps * 32 * 4, &Run<LookUp>},
    {"w1a2/lut", "avx2", kSteps * 32 * 4, &Run<LookUp>},
    {"w2a1/lut", "avx2", kSteps * 32 * 2, &Run<LookUp>},
    {"w2a2/lut", "avx2", kSteps * 32 * 2, &Run<LookUp>},
    {"w4a4/maddubs", "avx2", kSteps * 32, &Run<MultiplyBytes>},
    {"w8a8/madd", "avx2", kSteps * 16, &Run<MultiplyWords>},
    {"w8a8/maddubs", "avx2", kSteps * 64, &Run<MultiplyPairs>},
};

}  // namespace

std::span<const PeakLoop> Avx2PeakLoops(const CpuFeatures&) { return kLoops; }

}  // namespace bittern::kernels

#endif  // x86-64
