// Peak loops of the raw-intrinsic kernels on AVX-512: xor + vpopcntd + add, dot
// products of bytes and words, look-up + add. Twelve sums: a dot product has
// latency 4 to 5 and two units.
#if defined(__x86_64__)

#include "kernels/base/avx512-inl.h"
#include "kernels/base/peak_loops.h"

BITTERN_AVX512_BEGIN("avx512f,avx512bw,avx512vbmi,avx512vnni,avx512vpopcntdq")
namespace bittern::kernels {
namespace {

struct CountBits {
  static HWY_INLINE __m512i Step(__m512i sum, __m512i a, __m512i w) {
    return _mm512_add_epi32(sum, _mm512_popcnt_epi32(_mm512_xor_si512(w, a)));
  }
};

struct DotBytes {
  static HWY_INLINE __m512i Step(__m512i sum, __m512i a, __m512i w) {
    return _mm512_dpbusd_epi32(sum, a, w);
  }
};

struct DotWords {
  static HWY_INLINE __m512i Step(__m512i sum, __m512i a, __m512i w) {
    return _mm512_dpwssd_epi32(sum, a, w);
  }
};

struct LookUp {
  static HWY_INLINE __m512i Step(__m512i sum, __m512i a, __m512i w) {
    return _mm512_add_epi8(sum, _mm512_permutexvar_epi8(w, a));
  }
};

constexpr double kSteps = 12;  // per iteration

template <class Op>
HWY_INLINE void Add(__m512i& a, __m512i w, __m512i& sum) {
  BITTERN_OPAQUE(a);
  sum = Op::Step(sum, a, w);
}

template <class Op>
void Run(size_t iterations) noexcept {
  const __m512i w = _mm512_set1_epi8(5);
  __m512i a = _mm512_set1_epi8(1);
  __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0, s4 = s0,
          s5 = s0, s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
  for (size_t i = 0; i < iterations; ++i) {
    Add<Op>(a, w, s0);
    Add<Op>(a, w, s1);
    Add<Op>(a, w, s2);
    Add<Op>(a, w, s3);
    Add<Op>(a, w, s4);
    Add<Op>(a, w, s5);
    Add<Op>(a, w, s6);
    Add<Op>(a, w, s7);
    Add<Op>(a, w, s8);
    Add<Op>(a, w, s9);
    Add<Op>(a, w, s10);
    Add<Op>(a, w, s11);
  }
  __m512i sum = _mm512_add_epi8(
      _mm512_add_epi8(_mm512_add_epi8(s0, s1), _mm512_add_epi8(s2, s3)),
      _mm512_add_epi8(_mm512_add_epi8(s4, s5), _mm512_add_epi8(s6, s7)));
  sum = _mm512_add_epi8(
      sum, _mm512_add_epi8(_mm512_add_epi8(s8, s9), _mm512_add_epi8(s10, s11)));
  BITTERN_OPAQUE(sum);
}

}  // namespace
}  // namespace bittern::kernels
BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

constexpr PeakLoop kPopcountLoops[] = {
    {"w1a1/popcount", "avx512dl", kSteps * 512, &Run<CountBits>}};
constexpr PeakLoop kVnniLoops[] = {
    {"w8a8/vnni", "avx512vnni", kSteps * 64, &Run<DotBytes>},
    {"w16a8/vnni", "avx512vnni", kSteps * 32, &Run<DotWords>}};
// A look-up serves 64 channels: 6 k of 1-bit weights, 3 k of 2-bit weights.
constexpr PeakLoop kVbmiLoops[] = {
    {"w1a2/lut", "avx512dl", kSteps * 64 * 6, &Run<LookUp>},
    {"w2a2/lut", "avx512dl", kSteps * 64 * 3, &Run<LookUp>}};

}  // namespace

std::span<const PeakLoop> Avx512VpopcntdqPeakLoops(const CpuFeatures&) {
  return kPopcountLoops;
}
std::span<const PeakLoop> Avx512VnniPeakLoops(const CpuFeatures&) {
  return kVnniLoops;
}
std::span<const PeakLoop> Avx512VbmiPeakLoops(const CpuFeatures&) {
  return kVbmiLoops;
}

}  // namespace bittern::kernels

#endif  // x86-64
