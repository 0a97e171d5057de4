// window_sign on AVX2, 32 channels a step with their bounds in registers for
// all rows of the strip. Comparisons of 4 vectors are narrowed to bytes by
// saturating packs, so that one movemask answers for 32 channels instead of 8.
// Half-lines (epilogue.h) take two comparisons a vector, one where no channel
// has a zero between its sides; other windows six operations.
// Measured on Zen 5 (clang 19, bench epilogue/window_sign): 16 channels of a
// row in 3.0 cycles by half-lines with gaps and 6.0 by windows, against 7.0 for
// the portable form.
#if defined(__x86_64__)

#ifndef __clang__
// g++ 12 takes the undefined operands inside its own header for uninitialised
// variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

#include <cstring>

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/epilogue/epilogue_kernels.h"

HWY_PUSH_ATTRIBUTES("avx2,popcnt")

namespace bittern::kernels {
namespace {

// 32 channels.
struct Quad {
  __m256i v0, v1, v2, v3;
};

HWY_INLINE __m256i Load(const int32_t* x) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
}
HWY_INLINE Quad LoadQuad(const int32_t* x) {
  return {Load(x), Load(x + 8), Load(x + 16), Load(x + 24)};
}

// Bit i: element i of the masks is all ones. Packing works in 128-bit lanes:
// dword 4 * lane + vector holds channels 8 * vector + 4 * lane .. + 3.
HWY_INLINE uint32_t MaskBits(const Quad& m) {
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(m.v0, m.v1),
                                            _mm256_packs_epi32(m.v2, m.v3));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return static_cast<uint32_t>(
      _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(packed, order)));
}

HWY_INLINE uint32_t GreaterBits(const Quad& a, const Quad& b) {
  return MaskBits(
      {_mm256_cmpgt_epi32(a.v0, b.v0), _mm256_cmpgt_epi32(a.v1, b.v1),
       _mm256_cmpgt_epi32(a.v2, b.v2), _mm256_cmpgt_epi32(a.v3, b.v3)});
}

// max(acc, lo) >= acc >= min(acc, hi), all equal only inside.
HWY_INLINE __m256i Inside(__m256i acc, const int32_t* lo, const int32_t* hi) {
  return _mm256_cmpeq_epi32(_mm256_max_epi32(acc, Load(lo)),
                            _mm256_min_epi32(acc, Load(hi)));
}
HWY_INLINE uint32_t InsideBits(const Quad& acc, const int32_t* lo,
                               const int32_t* hi) {
  return MaskBits({Inside(acc.v0, lo, hi), Inside(acc.v1, lo + 8, hi + 8),
                   Inside(acc.v2, lo + 16, hi + 16),
                   Inside(acc.v3, lo + 24, hi + 24)});
}

// Where the 32 codes of a row go: half a word of each plane. A copy of what
// args say, which the compiler would have to read again after every store.
struct Output {
  char* sign;
  char* valid;
  int32_t* count;
  size_t row_bytes;

  Output(const CodePlanes& p, size_t row, size_t n)
      : count(p.valid_count + row), row_bytes(p.row_words * sizeof(uint64_t)) {
    const size_t bit = n % p.group;
    const size_t word =
        row * p.row_words + n / p.group * GroupWords(p.group) + bit / 64;
    const size_t half = bit % 64 / 32 * 4;
    sign = reinterpret_cast<char*>(p.sign + word) + half;
    valid = reinterpret_cast<char*>(p.valid + word) + half;
  }
  HWY_INLINE void Store(uint32_t sign_bits, uint32_t valid_bits) {
    memcpy(sign, &sign_bits, 4);
    memcpy(valid, &valid_bits, 4);
    *count++ += _mm_popcnt_u32(valid_bits);
    sign += row_bytes;
    valid += row_bytes;
  }
};

HWY_INLINE const int32_t* Next(const int32_t* acc, ptrdiff_t stride) {
  return reinterpret_cast<const int32_t*>(reinterpret_cast<const char*>(acc) +
                                          stride);
}

// Channels s.col + j .. + 31 by their half-lines. kGap: some accumulators are
// on neither side.
template <bool kGap>
void HalfLineRows(const EpilogueArgs& args, const EpilogueStrip& s, size_t j) {
  const size_t n = s.col + j, group = args.codes.group;
  const Quad high = LoadQuad(args.half_lines.above + n);
  const Quad low = LoadQuad(args.half_lines.below + n);
  const size_t word = n / group * GroupWords(group) + n % group / 64;
  const auto swap = static_cast<uint32_t>(args.half_lines.swap[word] >>
                                          (n % group % 64 / 32 * 32));
  Output out(args.codes, s.row, n);
  const int32_t* strip = static_cast<const int32_t*>(s.strip) + j;
  const ptrdiff_t stride = s.stride;
  for (size_t r = s.rows; r != 0; --r, strip = Next(strip, stride)) {
    const Quad acc = LoadQuad(strip);
    const uint32_t above = GreaterBits(acc, high);
    const uint32_t below = kGap ? GreaterBits(low, acc) : ~above;
    out.Store(((above ^ below) & swap) ^ above, above | below);
  }
}

HWY_INLINE __m256i IsNext(__m256i below, __m256i above) {
  return _mm256_cmpeq_epi32(_mm256_sub_epi32(below, above),
                            _mm256_set1_epi32(1));
}

// Whether below == above + 1 in all of them.
bool Adjacent(const EpilogueArgs& args, size_t n) {
  const Quad high = LoadQuad(args.half_lines.above + n);
  const Quad low = LoadQuad(args.half_lines.below + n);
  return MaskBits({IsNext(low.v0, high.v0), IsNext(low.v1, high.v1),
                   IsNext(low.v2, high.v2), IsNext(low.v3, high.v3)}) == ~0u;
}

void WindowRows(const EpilogueArgs& args, const EpilogueStrip& s, size_t j) {
  const size_t n = s.col + j;
  const int32_t *pos_lo = args.pos_lo + n, *pos_hi = args.pos_hi + n;
  const int32_t *neg_lo = args.neg_lo + n, *neg_hi = args.neg_hi + n;
  Output out(args.codes, s.row, n);
  const int32_t* strip = static_cast<const int32_t*>(s.strip) + j;
  const ptrdiff_t stride = s.stride;
  for (size_t r = s.rows; r != 0; --r, strip = Next(strip, stride)) {
    const Quad acc = LoadQuad(strip);
    const uint32_t sign = InsideBits(acc, pos_lo, pos_hi);
    out.Store(sign, sign | InsideBits(acc, neg_lo, neg_hi));
  }
}

void WindowChannels(const EpilogueArgs& args, const EpilogueStrip& s,
                    size_t j) {
  if (args.half_lines.above == nullptr) {
    WindowRows(args, s, j);
  } else if (Adjacent(args, s.col + j)) {
    HalfLineRows<false>(args, s, j);
  } else {
    HalfLineRows<true>(args, s, j);
  }
}

}  // namespace
}  // namespace bittern::kernels

HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

void WindowSign(const EpilogueArgs& args, const EpilogueStrip& s) noexcept {
  WalkWindowWords(args, s,
                  [](const EpilogueArgs& a, const EpilogueStrip& word) {
                    WindowChannels(a, word, 0);
                    WindowChannels(a, word, 32);
                  });
}

constexpr EpilogueKernel kKernels[] = {
    {"window_sign/avx2", EpilogueKind::kWindowSign, &WindowSign, false}};

}  // namespace

std::span<const EpilogueKernel> EpilogueAvx2(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels

#endif  // x86-64
