// window_sign on AVX-512: code = +1 inside the positive window, -1 inside the
// negative one, 64 channels a step with their 16 bound vectors in registers for
// all rows of the strip. A comparison into a mask register and its transfer are
// the bottleneck of the portable form (16 of each for 64 channels). Here x =
// max(acc, lo) ^ min(acc, hi) is zero exactly inside [lo, hi]; saturating packs
// keep zero and non-zero apart, so one byte test answers for 64 channels.
// Half-lines (epilogue.h) need one difference a side, whose sign the packs
// keep, and one side where no accumulator lies between them. Measured on Zen 5
// (clang 19): 64 channels in 11 cycles against 25. Tests compile this file a
// second time over SIMDe (BITTERN_SIMDE), so that any x86 CPU checks it.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include "kernels/base/avx512-inl.h"
#include "kernels/base/bits.h"
#include "kernels/epilogue/epilogue_kernels.h"

BITTERN_AVX512_BEGIN("avx512f,avx512bw,popcnt")

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

// Packing works in 128-bit lanes: dword 4 * lane + vector holds channels 16 *
// vector + 4 * lane .. + 3.
HWY_INLINE __m512i InOrder(__m512i packed) {
  const __m512i order =
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, packed);
}

// Bit i: channel i lies in its window.
HWY_INLINE uint64_t InsideBits(const Bounds& acc, const Bounds& lo,
                               const Bounds& hi) {
  const __m512i ab = _mm512_packs_epi32(ZeroInside(acc.b0, lo.b0, hi.b0),
                                        ZeroInside(acc.b1, lo.b1, hi.b1));
  const __m512i cd = _mm512_packs_epi32(ZeroInside(acc.b2, lo.b2, hi.b2),
                                        ZeroInside(acc.b3, lo.b3, hi.b3));
  const __m512i bytes = InOrder(_mm512_packs_epi16(ab, cd));
  return ~static_cast<uint64_t>(_mm512_test_epi8_mask(bytes, bytes));
}

// Bounds as near as accumulators can come (|acc| < 2^30), so that differences
// stay in range.
HWY_INLINE __m512i Near(__m512i bound) {
  const __m512i limit = _mm512_set1_epi32(1 << 30);
  return _mm512_max_epi32(_mm512_min_epi32(bound, limit),
                          _mm512_sub_epi32(_mm512_setzero_si512(), limit));
}

HWY_INLINE Bounds LoadNear(const int32_t* b) {
  const Bounds x = LoadBounds(b);
  return {Near(x.b0), Near(x.b1), Near(x.b2), Near(x.b3)};
}

// Bit i: element i of a is less than that of b.
HWY_INLINE uint64_t LessBits(const Bounds& a, const Bounds& b) {
  const __m512i ab = _mm512_packs_epi32(_mm512_sub_epi32(a.b0, b.b0),
                                        _mm512_sub_epi32(a.b1, b.b1));
  const __m512i cd = _mm512_packs_epi32(_mm512_sub_epi32(a.b2, b.b2),
                                        _mm512_sub_epi32(a.b3, b.b3));
  return _mm512_movepi8_mask(InOrder(_mm512_packs_epi16(ab, cd)));
}

HWY_INLINE __mmask16 Adjacent(__m512i above, __m512i below) {
  return _mm512_cmpeq_epi32_mask(_mm512_sub_epi32(below, above),
                                 _mm512_set1_epi32(1));
}

// Whether no accumulator of the 64 channels lies between its half-lines.
HWY_INLINE bool NoGap(const Bounds& above, const Bounds& below) {
  return (Adjacent(above.b0, below.b0) & Adjacent(above.b1, below.b1) &
          Adjacent(above.b2, below.b2) & Adjacent(above.b3, below.b3)) ==
         0xFFFF;
}

// Channels [n, n + 64) of all rows by their half-lines; strip points at the
// first of them. kGap: some accumulators are on neither side.
template <bool kGap>
void HalfLineWord(const EpilogueArgs& args, const EpilogueStrip& s,
                  const char* strip, size_t n) {
  const CodePlanes& p = args.codes;
  const size_t word = n / p.group * GroupWords(p.group) + n % p.group / 64;
  const Bounds above = LoadNear(args.half_lines.above + n),
               below = LoadNear(args.half_lines.below + n);
  const uint64_t swap = args.half_lines.swap[word];
  // Copies: the compiler would read the members again after every store.
  const size_t row_words = p.row_words;
  uint64_t* sign = p.sign + s.row * row_words + word;
  uint64_t* valid = p.valid + s.row * row_words + word;
  int32_t* count = p.valid_count + s.row;
  const ptrdiff_t stride = s.stride;
  for (size_t r = s.rows; r != 0; --r, strip += stride) {
    const Bounds acc = LoadBounds(reinterpret_cast<const int32_t*>(strip));
    const uint64_t high = LessBits(above, acc);
    const uint64_t low = kGap ? LessBits(acc, below) : ~high;
    const uint64_t both = kGap ? high | low : ~uint64_t{0};
    *sign = (both & swap) ^ high;
    *valid = both;
    *count++ += kGap ? __builtin_popcountll(both) : 64;
    sign += row_words;
    valid += row_words;
  }
}

// Channels [n, n + 64) of all rows by their windows.
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

void Word(const EpilogueArgs& args, const EpilogueStrip& s) {
  const auto* strip = static_cast<const char*>(s.strip);
  const size_t n = s.col;
  const HalfLines& lines = args.half_lines;
  if (lines.above == nullptr) {
    WindowWord(args, s, strip, n);
  } else if (NoGap(LoadBounds(lines.above + n), LoadBounds(lines.below + n))) {
    HalfLineWord<false>(args, s, strip, n);
  } else {
    HalfLineWord<true>(args, s, strip, n);
  }
}

}  // namespace
}  // namespace bittern::kernels

BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

void WindowSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  WalkWindowWords(args, s, &Word);
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
