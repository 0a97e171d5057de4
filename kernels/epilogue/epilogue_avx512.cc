// window_sign on AVX-512: code = +1 inside the positive window, -1 inside the
// negative one, 64 channels a step with their 16 bound vectors in registers for
// all rows of the strip. A comparison into a mask register and its transfer are
// the bottleneck of the portable form (16 of each for 64 channels). Here x =
// max(acc, lo) ^ min(acc, hi) is zero exactly inside [lo, hi]; saturating packs
// keep zero and non-zero apart, so one byte test answers for 64 channels.
// Measured on Zen 5 (clang 19): 64 channels in 11 cycles against 25. Tests
// compile this file a second time over SIMDe (BITTERN_SIMDE), so that any x86
// CPU checks it.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#ifdef BITTERN_SIMDE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#else
// g++ 12 takes the undefined operands inside its own header for uninitialised
// variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/epilogue/epilogue_kernels.h"

#ifndef BITTERN_SIMDE
HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,popcnt")
#endif

namespace bittern::kernels {
namespace {

// One bound of 64 channels.
struct Bounds {
  __m512i b0, b1, b2, b3;
};

HWY_INLINE Bounds LoadBounds(const int32_t* b) {
  return {_mm512_loadu_si512(b), _mm512_loadu_si512(b + 16),
          _mm512_loadu_si512(b + 32), _mm512_loadu_si512(b + 48)};
}

HWY_INLINE __m512i ZeroInside(__m512i acc, __m512i lo, __m512i hi) {
  return _mm512_xor_si512(_mm512_max_epi32(acc, lo), _mm512_min_epi32(acc, hi));
}

// Bit i: channel i lies in its window.
HWY_INLINE uint64_t InsideBits(const Bounds& acc, const Bounds& lo,
                               const Bounds& hi) {
  const __m512i ab = _mm512_packs_epi32(ZeroInside(acc.b0, lo.b0, hi.b0),
                                        ZeroInside(acc.b1, lo.b1, hi.b1));
  const __m512i cd = _mm512_packs_epi32(ZeroInside(acc.b2, lo.b2, hi.b2),
                                        ZeroInside(acc.b3, lo.b3, hi.b3));
  // Packing works in 128-bit lanes: dword 4 * lane + vector holds channels 16 *
  // vector + 4 * lane .. + 3.
  const __m512i order =
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes =
      _mm512_permutexvar_epi32(order, _mm512_packs_epi16(ab, cd));
  return ~static_cast<uint64_t>(_mm512_test_epi8_mask(bytes, bytes));
}

// Channels [n, n + 64) of all rows; strip points at the first of them.
void WindowWord(const EpilogueArgs& args, const EpilogueStrip& s,
                const char* strip, size_t n) {
  const CodePlanes& p = args.codes;
  const size_t word = n / p.group * GroupWords(p.group) + n % p.group / 64;
  const Bounds pos_lo = LoadBounds(args.pos_lo + n),
               pos_hi = LoadBounds(args.pos_hi + n);
  const Bounds neg_lo = LoadBounds(args.neg_lo + n),
               neg_hi = LoadBounds(args.neg_hi + n);
  for (size_t r = 0; r < s.rows; ++r, strip += s.stride) {
    const Bounds acc = LoadBounds(reinterpret_cast<const int32_t*>(strip));
    const uint64_t sign = InsideBits(acc, pos_lo, pos_hi);
    const uint64_t valid = sign | InsideBits(acc, neg_lo, neg_hi);
    const size_t row = s.row + r;
    p.sign[row * p.row_words + word] = sign;
    p.valid[row * p.row_words + word] = valid;
    p.valid_count[row] += static_cast<int32_t>(__builtin_popcountll(valid));
  }
}

}  // namespace
}  // namespace bittern::kernels

#ifndef BITTERN_SIMDE
HWY_POP_ATTRIBUTES
#endif

namespace bittern::kernels {
namespace {

const EpilogueKernel& PortableWindowSign() {
  for (const EpilogueKernel& kernel : EpilogueHwy(DetectCpu())) {
    if (kernel.kind == EpilogueKind::kWindowSign) return kernel;
  }
  __builtin_unreachable();
}

// Words that end with a group or the strip are left to the portable kernel.
void WindowSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  static const EpilogueKernel& portable = PortableWindowSign();
  const size_t group = args.codes.group;
  for (size_t j = 0; j < s.cols;) {
    const size_t n = s.col + j;
    const size_t in_group = group - n % group;
    const size_t width = in_group < s.cols - j ? in_group : s.cols - j;
    const auto* strip = static_cast<const char*>(s.strip) + j * sizeof(int32_t);
    if (width >= 64) {
      WindowWord(args, s, strip, n);
      j += 64;
    } else {
      portable.run(args, {strip, s.stride, s.row, s.rows, n, width});
      j += width;
    }
  }
}

constexpr EpilogueKernel kKernels[] = {
    {"window_sign/avx512", EpilogueKind::kWindowSign, &WindowSign, false}};

}  // namespace

#ifdef BITTERN_SIMDE
std::span<const EpilogueKernel> EpilogueAvx512Simde() { return kKernels; }
#else
std::span<const EpilogueKernel> EpilogueAvx512(const CpuFeatures&) {
  return kKernels;
}
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
