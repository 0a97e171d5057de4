// Attention on AVX-512 with VPOPCNTDQ (equations: attention.h, operands: attention_layout.h), four query rows a pass.
// Bit product: 16 lanes a register; a word costs one vpternlogd, one vpopcntd and one vpaddd a row.
// Probabilities: scores are integers, so exp takes at most 64 values in most rows: two vpermi2ps look it up in a table that
// rows with the same best score share, and the code of every table entry turns the threshold into one integer comparison.
// Both give the bits of the definition, being computed by its operations on the few values that occur; rows where that does
// not hold (rare) take Highway's stage. Range: a lane counts at most 32 * words bits.
// Tests compile this file a second time over SIMDe (BITTERN_SIMDE), so that any x86 CPU checks it.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#ifdef BITTERN_SIMDE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#else
// g++ 12 takes the undefined operands inside its own header for uninitialised variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include <cstring>
#include <type_traits>

#include "hwy/base.h"
#include "kernels/attention/attention_kernels.h"
#include "kernels/attention/attention_stages.h"

#ifndef BITTERN_SIMDE
HWY_PUSH_ATTRIBUTES("avx512f,avx512vpopcntdq,popcnt")
#endif

namespace bittern::kernels {
namespace {

static_assert(kQueryRows == 4);

// The portable stages, which do what this file does not.
const AttentionStages& HwyStages() {
  static const AttentionStages& stages = AttentionHwyStages(DetectCpu());
  return stages;
}

struct Counts {  // of one row and one block of lanes
  __m512i mismatches;
  __m512i both;
};

// Pointers to word w of the rows and of one block.
struct Operands {
  const uint32_t* a_sign;
  const uint32_t* a_valid;
  const uint32_t* b_sign;
  const uint32_t* b_valid;
};

HWY_INLINE __m512i Broadcast(const uint32_t* word) { return _mm512_set1_epi32(static_cast<int>(*word)); }

template <bool kRowHasZeros>
HWY_INLINE void Step(const Operands& at, __m512i sign, __m512i valid, size_t row_offset, Counts& c) {
  constexpr int kXorAnd = 0x28;  // truth table of (x ^ y) & z
  if constexpr (kRowHasZeros) {
    valid = _mm512_and_si512(valid, Broadcast(at.a_valid + row_offset));
    c.both = _mm512_add_epi32(c.both, _mm512_popcnt_epi32(valid));
  }
  const __m512i x = _mm512_ternarylogic_epi32(sign, Broadcast(at.a_sign + row_offset), valid, kXorAnd);
  c.mismatches = _mm512_add_epi32(c.mismatches, _mm512_popcnt_epi32(x));
}

template <bool kRowHasZeros>
HWY_INLINE void Finish(const Counts& c, __m512i base, int32_t row_base, int32_t* out) {
  const __m512i twice = _mm512_add_epi32(c.mismatches, c.mismatches);
  __m512i dot = _mm512_sub_epi32(_mm512_add_epi32(base, _mm512_set1_epi32(row_base)), twice);
  if constexpr (kRowHasZeros) dot = _mm512_add_epi32(dot, c.both);
  _mm512_store_si512(out, dot);
}

// kRows rows against all lanes. kWords = 0: as many words as b has. Named accumulators: g++ 12 keeps an array in memory.
template <bool kRowHasZeros, size_t kRows, size_t kWords>
void Rows(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  const size_t words = kWords != 0 ? kWords : b.words;
  const int32_t* base = kRowHasZeros ? b.base : b.full;
  const __m512i zero = _mm512_setzero_si512();
  Operands at{a.sign, a.valid, b.sign, b.valid};
  for (size_t lane = 0; lane < b.lanes(); lane += kLaneBlock, out += kLaneBlock) {
    Counts c0{zero, zero}, c1 = c0, c2 = c0, c3 = c0;
    at.a_sign = a.sign;
    at.a_valid = a.valid;
    for (size_t w = 0; w < words; ++w) {
      const __m512i sign = _mm512_load_si512(at.b_sign), valid = _mm512_load_si512(at.b_valid);
      Step<kRowHasZeros>(at, sign, valid, 0, c0);
      if constexpr (kRows > 1) Step<kRowHasZeros>(at, sign, valid, a.stride, c1);
      if constexpr (kRows > 2) Step<kRowHasZeros>(at, sign, valid, 2 * a.stride, c2);
      if constexpr (kRows > 3) Step<kRowHasZeros>(at, sign, valid, 3 * a.stride, c3);
      ++at.a_sign;
      ++at.a_valid;
      at.b_sign += kLaneBlock;
      at.b_valid += kLaneBlock;
    }
    const __m512i bases = _mm512_load_si512(base + lane);
    Finish<kRowHasZeros>(c0, bases, a.base[0], out);
    if constexpr (kRows > 1) Finish<kRowHasZeros>(c1, bases, a.base[1], out + b.lanes());
    if constexpr (kRows > 2) Finish<kRowHasZeros>(c2, bases, a.base[2], out + 2 * b.lanes());
    if constexpr (kRows > 3) Finish<kRowHasZeros>(c3, bases, a.base[3], out + 3 * b.lanes());
  }
}

template <bool kRowHasZeros, size_t kRows>
void RowsOf(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  switch (b.words) {
    case 1: return Rows<kRowHasZeros, kRows, 1>(a, b, out);
    case 2: return Rows<kRowHasZeros, kRows, 2>(a, b, out);
    default: return Rows<kRowHasZeros, kRows, 0>(a, b, out);
  }
}

template <bool kRowHasZeros>
void RowBlock(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  switch (a.rows) {
    case 4: return RowsOf<kRowHasZeros, 4>(a, b, out);
    case 3: return RowsOf<kRowHasZeros, 3>(a, b, out);
    case 2: return RowsOf<kRowHasZeros, 2>(a, b, out);
    default: return RowsOf<kRowHasZeros, 1>(a, b, out);
  }
}

void Product(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  a.has_zeros ? RowBlock<true>(a, b, out) : RowBlock<false>(a, b, out);
}

// Operations that combine lanes.
struct Sum {
  static HWY_INLINE __m256i Of(__m256i a, __m256i b) {
    return _mm256_castps_si256(_mm256_add_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)));
  }
  static HWY_INLINE __m128i Of(__m128i a, __m128i b) {
    return _mm_castps_si128(_mm_add_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b)));
  }
};
struct Greatest {
  static HWY_INLINE __m512i Of(__m512i a, __m512i b) { return _mm512_max_epi32(a, b); }
  static HWY_INLINE __m256i Of(__m256i a, __m256i b) { return _mm256_max_epi32(a, b); }
  static HWY_INLINE __m128i Of(__m128i a, __m128i b) { return _mm_max_epi32(a, b); }
};
struct Least {
  static HWY_INLINE __m512i Of(__m512i a, __m512i b) { return _mm512_min_epi32(a, b); }
  static HWY_INLINE __m256i Of(__m256i a, __m256i b) { return _mm256_min_epi32(a, b); }
  static HWY_INLINE __m128i Of(__m128i a, __m128i b) { return _mm_min_epi32(a, b); }
};

template <class Op>
HWY_INLINE __m128i FoldTo4(__m512i v) {
  const __m256i half = Op::Of(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  return Op::Of(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// Lane r of the result combines the 16 lanes of row r in the order of kernels/README.md: L[j] with L[j+8], then +4, +2, +1.
template <class Op>
HWY_INLINE __m128i Fold(const __m512i (&row)[4]) {
  const __m128i a = FoldTo4<Op>(row[0]), b = FoldTo4<Op>(row[1]), c = FoldTo4<Op>(row[2]), d = FoldTo4<Op>(row[3]);
  const __m128i ab = Op::Of(_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b));  // a0a2 a1a3 b0b2 b1b3
  const __m128i cd = Op::Of(_mm_unpacklo_epi64(c, d), _mm_unpackhi_epi64(c, d));
  const __m128 x = _mm_castsi128_ps(ab), y = _mm_castsi128_ps(cd);
  return Op::Of(_mm_castps_si128(_mm_shuffle_ps(x, y, 0x88)), _mm_castps_si128(_mm_shuffle_ps(x, y, 0xDD)));
}

// The last block of a row holds keys % 16 keys, if that is not 0; the lanes past them are replaced.
HWY_INLINE __m512i LoadTail(const int32_t* scores, size_t count, __m512i other) {
  return _mm512_mask_mov_epi32(other, static_cast<__mmask16>((1u << count) - 1), _mm512_load_si512(scores));
}

// Per row, the score of the largest probability: the greatest, or the least if the scale is negative.
template <class Op>
HWY_INLINE void BestScores(const int32_t* scores, size_t keys, size_t lanes, int32_t (&best)[4]) {
  const int32_t* s1 = scores + lanes;
  const int32_t* s2 = s1 + lanes;
  const int32_t* s3 = s2 + lanes;
  __m512i b[4] = {_mm512_set1_epi32(*scores), _mm512_set1_epi32(*s1), _mm512_set1_epi32(*s2), _mm512_set1_epi32(*s3)};
  size_t j = 0;
  for (; j + kLaneBlock <= keys; j += kLaneBlock) {
    b[0] = Op::Of(b[0], _mm512_load_si512(scores + j));
    b[1] = Op::Of(b[1], _mm512_load_si512(s1 + j));
    b[2] = Op::Of(b[2], _mm512_load_si512(s2 + j));
    b[3] = Op::Of(b[3], _mm512_load_si512(s3 + j));
  }
  if (j < keys) {
    b[0] = Op::Of(b[0], LoadTail(scores + j, keys - j, b[0]));
    b[1] = Op::Of(b[1], LoadTail(s1 + j, keys - j, b[1]));
    b[2] = Op::Of(b[2], LoadTail(s2 + j, keys - j, b[2]));
    b[3] = Op::Of(b[3], LoadTail(s3 + j, keys - j, b[3]));
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(best), Fold<Op>(b));
}

// exp by look-up: entry i belongs to the score best - i * kStep (kStep: 1 or 2, negative if the scale is).
template <int kStep>
struct TableRow {
  __m512 t0, t1, t2, t3;
  __m512i best;

  HWY_INLINE TableRow(const float* table, int32_t best_score)
      : t0(_mm512_loadu_ps(table)),
        t1(_mm512_loadu_ps(table + 16)),
        t2(_mm512_loadu_ps(table + 32)),
        t3(_mm512_loadu_ps(table + 48)),
        best(_mm512_set1_epi32(best_score)) {}
  HWY_INLINE __m512i Index(__m512i score) const {
    const __m512i distance = kStep > 0 ? _mm512_sub_epi32(best, score) : _mm512_sub_epi32(score, best);
    return kStep == 2 || kStep == -2 ? _mm512_srli_epi32(distance, 1) : distance;
  }
  HWY_INLINE __m512 Exp(__m512i index) const {
    const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
    return _mm512_mask_blend_ps(upper, _mm512_permutex2var_ps(t0, index, t1), _mm512_permutex2var_ps(t2, index, t3));
  }
};

struct TableSums {
  __m512i sum;    // row sum of exps, 16 virtual lanes
  __m512i index;  // OR of the indices of all keys
};

template <int kStep>
HWY_INLINE TableSums SumExps(const int32_t* scores, size_t keys, const TableRow<kStep>& row) {
  __m512 sum = _mm512_setzero_ps();
  __m512i all = _mm512_setzero_si512();
  size_t j = 0;
  for (; j + kLaneBlock <= keys; j += kLaneBlock) {
    const __m512i index = row.Index(_mm512_load_si512(scores + j));
    sum = _mm512_add_ps(sum, row.Exp(index));
    all = _mm512_or_si512(all, index);
  }
  if (j < keys) {
    const __m512i index = row.Index(LoadTail(scores + j, keys - j, row.best));
    sum = _mm512_mask_add_ps(sum, static_cast<__mmask16>((1u << (keys - j)) - 1), sum, row.Exp(index));
    all = _mm512_or_si512(all, index);
  }
  return {_mm512_castps_si512(sum), all};
}

HWY_INLINE uint64_t JoinMasks(uint64_t a, uint64_t b, uint64_t c, uint64_t d) { return a | b << 16 | c << 32 | d << 48; }

struct EntryCodes {  // bit i: table entry i
  uint64_t above;
  uint64_t below;
};

// Where the probabilities of a row's table lie: above or below the window.
template <int kStep>
HWY_INLINE EntryCodes CompareEntries(const TableRow<kStep>& row, float inverse_value, const SignWindow& window) {
  const __m512 inverse = _mm512_set1_ps(inverse_value);
  const __m512 p0 = _mm512_mul_ps(row.t0, inverse), p1 = _mm512_mul_ps(row.t1, inverse);
  const __m512 p2 = _mm512_mul_ps(row.t2, inverse), p3 = _mm512_mul_ps(row.t3, inverse);
  const __m512 hi = _mm512_set1_ps(window.hi), lo = _mm512_set1_ps(window.lo);
  return {JoinMasks(_mm512_cmp_ps_mask(p0, hi, _CMP_GT_OQ), _mm512_cmp_ps_mask(p1, hi, _CMP_GT_OQ),
                    _mm512_cmp_ps_mask(p2, hi, _CMP_GT_OQ), _mm512_cmp_ps_mask(p3, hi, _CMP_GT_OQ)),
          JoinMasks(_mm512_cmp_ps_mask(p0, lo, _CMP_LT_OQ), _mm512_cmp_ps_mask(p1, lo, _CMP_LT_OQ),
                    _mm512_cmp_ps_mask(p2, lo, _CMP_LT_OQ), _mm512_cmp_ps_mask(p3, lo, _CMP_LT_OQ))};
}

template <bool kNegative>
HWY_INLINE uint64_t Better(const int32_t* scores, __m512i bound) {
  const __m512i score = _mm512_load_si512(scores);
  return kNegative ? _mm512_cmpgt_epi32_mask(bound, score) : _mm512_cmpgt_epi32_mask(score, bound);
}

// Codes of a row by one integer comparison: the scores better than `bound` lie above the window. Returns how many are +1.
template <bool kNegative>
HWY_INLINE int32_t StoreCodes(const int32_t* scores, size_t keys, int32_t bound_score, bool flip, uint32_t* sign, uint32_t* valid) {
  const __m512i bound = _mm512_set1_epi32(bound_score);
  const uint64_t inverted = flip ? ~uint64_t{0} : 0;
  int32_t positive = 0;
  size_t j = 0;
  for (; j + 64 <= keys; j += 64) {
    const uint64_t above = JoinMasks(Better<kNegative>(scores + j, bound), Better<kNegative>(scores + j + 16, bound),
                                     Better<kNegative>(scores + j + 32, bound), Better<kNegative>(scores + j + 48, bound));
    const uint64_t bits = above ^ inverted, all = ~uint64_t{0};
    std::memcpy(sign + j / 32, &bits, sizeof(bits));
    std::memcpy(valid + j / 32, &all, sizeof(all));
    positive += __builtin_popcountll(bits);
  }
  if (j < keys) {
    uint64_t bits = inverted;
    for (size_t i = j; i < keys; i += kLaneBlock) bits ^= Better<kNegative>(scores + i, bound) << (i - j);
    const uint64_t real = (uint64_t{1} << (keys - j)) - 1;
    bits &= real;
    std::memcpy(sign + j / 32, &bits, sizeof(bits));
    std::memcpy(valid + j / 32, &real, sizeof(real));
    positive += __builtin_popcountll(bits);
  }
  return positive;
}

template <int kStep>
HWY_INLINE const float* Table(const ProbabilityArgs& args, int32_t best) {
  ExpCache& cache = *args.cache;
  if (cache.step != kStep) cache.filled = 0;
  cache.step = kStep;
  const uint32_t slot = static_cast<uint32_t>(best / kStep) % kExpTables;
  float* table = cache.exps + slot * kExpEntries;
  if ((cache.filled >> slot & 1) == 0 || cache.best[slot] != best) {
    HwyStages().fill_exps(args.score_scale, best, kStep, table);
    cache.best[slot] = best;
    cache.filled |= 1u << slot;
  }
  return table;
}

// Four rows by table; false if a row needs what tables cannot give: more than 64 steps between its scores, zero codes, or a
// code that is not a monotone function of the score.
template <int kStep>
bool TableRows(const ProbabilityArgs& args, const int32_t* scores, BitRows* codes) {
  constexpr bool kNegative = kStep < 0;
  int32_t best[4];
  BestScores<std::conditional_t<kNegative, Least, Greatest>>(scores, args.keys, args.lanes, best);
  const float* table[4];
  __m512i sums[4], all = _mm512_setzero_si512();
  for (size_t r = 0; r < 4; ++r) {
    table[r] = Table<kStep>(args, best[r]);
    // Two best scores of one slot in one block of rows: the second has overwritten the first.
    for (size_t i = 0; i < r; ++i) {
      if (table[i] == table[r] && best[i] != best[r]) return false;
    }
  }
  for (size_t r = 0; r < 4; ++r) {
    const TableSums s = SumExps(scores + r * args.lanes, args.keys, TableRow<kStep>(table[r], best[r]));
    sums[r] = s.sum;
    all = _mm512_or_si512(all, s.index);
  }
  if (_mm512_test_epi32_mask(all, _mm512_set1_epi32(~static_cast<int>(kExpEntries - 1))) != 0) return false;
  float inverse[4];
  _mm_storeu_ps(inverse, _mm_div_ps(_mm_set1_ps(1.0f), _mm_castsi128_ps(Fold<Sum>(sums))));
  int32_t bound[4];
  const SignWindow window = args.quantiser.window;
  for (size_t r = 0; r < 4; ++r) {
    const EntryCodes entries = CompareEntries(TableRow<kStep>(table[r], best[r]), inverse[r], window);
    if ((entries.above & (entries.above + 1)) != 0 || entries.above != ~entries.below) return false;
    bound[r] = best[r] - kStep * __builtin_popcountll(entries.above);
  }
  for (size_t r = 0; r < 4; ++r) {
    const size_t at = r * codes->stride;
    const int32_t positive = StoreCodes<kNegative>(scores + r * args.lanes, args.keys, bound[r], window.flip, codes->sign + at,
                                                   codes->valid + at);
    codes->base[r] = -args.zv * (2 * positive - static_cast<int32_t>(args.keys));
  }
  codes->has_zeros = false;
  return true;
}

void Probabilities(const ProbabilityArgs& args, int32_t* scores, float* exps, BitRows* codes) {
  if (codes->rows == kQueryRows && args.quantiser.window.exact) {
    const bool negative = args.score_scale < 0;
    const bool done = args.same_parity ? (negative ? TableRows<-2>(args, scores, codes) : TableRows<2>(args, scores, codes))
                                       : (negative ? TableRows<-1>(args, scores, codes) : TableRows<1>(args, scores, codes));
    if (done) return;
  }
  HwyStages().probabilities(args, scores, exps, codes);
}

}  // namespace
}  // namespace bittern::kernels

#ifndef BITTERN_SIMDE
HWY_POP_ATTRIBUTES
#endif

namespace bittern::kernels {
namespace {

const AttentionStages& Stages() {
  static const AttentionStages stages = [] {
    AttentionStages s = HwyStages();
    s.product = &Product;
    s.probabilities = &Probabilities;
    return s;
  }();
  return stages;
}

void Prepare(const AttentionArgs& args, size_t h) noexcept { Stages().prepare(args, h); }

void Run(const AttentionArgs& args, size_t row, size_t rows, void* scratch) noexcept {
  RunAttention(Stages(), args, row, rows, scratch);
}

double Cycles(size_t tokens, size_t heads, size_t head_dim) noexcept {
  return static_cast<double>(tokens * tokens * heads) * (0.7 + 2.0 * static_cast<double>(head_dim) / 341);
}

constexpr AttentionKernel kKernels[] = {
    {"attention/avx512vpopcntdq", kAvx512 | kAvx512Vpopcntdq, &AttentionBlockBytes, &AttentionScratchBytes, &Prepare, &Run,
     &Cycles, false},
};

}  // namespace

#ifdef BITTERN_SIMDE
std::span<const AttentionKernel> AttentionAvx512VpopcntdqSimde() { return kKernels; }
#else
std::span<const AttentionKernel> AttentionAvx512Vpopcntdq(const CpuFeatures&) { return kKernels; }
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
