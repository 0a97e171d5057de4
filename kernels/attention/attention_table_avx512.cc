// The probability stage of attention on AVX-512, four query rows a pass.
// Scores are integers, so exp takes at most 32 values in most rows, 64 in
// nearly all: one or two vpermi2ps look it up in a table that rows with the
// same best score share, and the code of every table entry turns the threshold
// into one integer comparison per score. Both give the bits of the definition,
// being computed by its operations on all the values that occur; rows where
// that does not hold (see TableRows) take Highway's stage. Measured on Zen 5
// (clang 19):
// 21 ns a row of 198 keys, 26 with all 64 entries, 57 with the polynomial.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include <cstring>
#include <type_traits>

#include "kernels/attention/attention_stages.h"
#include "kernels/base/avx512-inl.h"

BITTERN_AVX512_BEGIN("avx512f,avx512bw,popcnt")
namespace bittern::kernels {
namespace {

static_assert(kQueryRows == 4);

// The portable stages, which do what this file does not.
const AttentionStages& HwyStages() {
  static const AttentionStages& stages = AttentionHwyStages(DetectCpu());
  return stages;
}

// Operations that combine lanes.
struct Sum {
  static HWY_INLINE __m256i Of(__m256i a, __m256i b) {
    return _mm256_castps_si256(
        _mm256_add_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)));
  }
  static HWY_INLINE __m128i Of(__m128i a, __m128i b) {
    return _mm_castps_si128(
        _mm_add_ps(_mm_castsi128_ps(a), _mm_castsi128_ps(b)));
  }
};
struct Greatest {
  static HWY_INLINE __m512i Of(__m512i a, __m512i b) {
    return _mm512_max_epi32(a, b);
  }
  static HWY_INLINE __m256i Of(__m256i a, __m256i b) {
    return _mm256_max_epi32(a, b);
  }
  static HWY_INLINE __m128i Of(__m128i a, __m128i b) {
    return _mm_max_epi32(a, b);
  }
};
struct Least {
  static HWY_INLINE __m512i Of(__m512i a, __m512i b) {
    return _mm512_min_epi32(a, b);
  }
  static HWY_INLINE __m256i Of(__m256i a, __m256i b) {
    return _mm256_min_epi32(a, b);
  }
  static HWY_INLINE __m128i Of(__m128i a, __m128i b) {
    return _mm_min_epi32(a, b);
  }
};

template <class Op>
HWY_INLINE __m128i FoldTo4(__m512i v) {
  const __m256i half =
      Op::Of(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  return Op::Of(_mm256_castsi256_si128(half),
                _mm256_extracti128_si256(half, 1));
}

// Lane r of the result combines the 16 lanes of row r in the order of
// kernels/README.md: L[j] with L[j+8], then +4, +2, +1.
template <class Op>
HWY_INLINE __m128i Fold(const __m512i (&row)[4]) {
  const __m128i a = FoldTo4<Op>(row[0]), b = FoldTo4<Op>(row[1]),
                c = FoldTo4<Op>(row[2]), d = FoldTo4<Op>(row[3]);
  const __m128i ab = Op::Of(_mm_unpacklo_epi64(a, b),
                            _mm_unpackhi_epi64(a, b));  // a0a2 a1a3 b0b2 b1b3
  const __m128i cd = Op::Of(_mm_unpacklo_epi64(c, d), _mm_unpackhi_epi64(c, d));
  const __m128 x = _mm_castsi128_ps(ab), y = _mm_castsi128_ps(cd);
  return Op::Of(_mm_castps_si128(_mm_shuffle_ps(x, y, 0x88)),
                _mm_castps_si128(_mm_shuffle_ps(x, y, 0xDD)));
}

// The last block of a row holds keys % 16 keys, if that is not 0; the lanes
// past them are replaced.
HWY_INLINE __m512i LoadTail(const int32_t* scores, size_t count,
                            __m512i other) {
  return _mm512_mask_mov_epi32(other, static_cast<__mmask16>((1u << count) - 1),
                               _mm512_load_si512(scores));
}

// Of four rows: the score of the largest probability of each (the greatest, or
// the least if the scale is negative), and how far from it the farthest score
// of all rows lies.
struct BestScores {
  int32_t best[4];
  uint32_t span;
};

// Not inlined, as StoreRows: once for each sign of the scale is enough.
template <class Op, class Opposite>
HWY_NOINLINE BestScores FindBest(const int32_t* scores, size_t keys,
                                 size_t lanes) {
  __m512i best[4], worst[4];
  for (size_t r = 0; r < 4; ++r) {
    const int32_t* row = scores + r * lanes;
    __m512i b = _mm512_set1_epi32(*row), w = b;
    size_t j = 0;
    for (; j + kLaneBlock <= keys; j += kLaneBlock) {
      const __m512i s = _mm512_load_si512(row + j);
      b = Op::Of(b, s);
      w = Opposite::Of(w, s);
    }
    if (j < keys) {
      const __m512i s = LoadTail(row + j, keys - j, b);
      b = Op::Of(b, s);
      w = Opposite::Of(w, s);
    }
    best[r] = b;
    worst[r] = w;
  }
  const __m128i b = Fold<Op>(best), w = Fold<Opposite>(worst);
  const __m128i span = _mm_abs_epi32(_mm_sub_epi32(b, w));
  const __m128i pair = _mm_max_epi32(span, _mm_unpackhi_epi64(span, span));
  BestScores found;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(found.best), b);
  found.span = static_cast<uint32_t>(
      _mm_cvtsi128_si32(_mm_max_epi32(pair, _mm_shuffle_epi32(pair, 0x55))));
  return found;
}

// exp by look-up: entry i belongs to the score best - i * kStep (kStep: 1 or 2,
// negative if the scale is). Rows whose scores lie close to the best one need
// half of the table.
template <int kStep, size_t kEntries>
struct TableRow {
  static constexpr size_t kVectors = kEntries / 16;  // 2 or 4
  __m512 table[kVectors];
  __m512i best;

  HWY_INLINE TableRow(const float* entries, int32_t best_score)
      : best(_mm512_set1_epi32(best_score)) {
    for (size_t v = 0; v < kVectors; ++v)
      table[v] = _mm512_loadu_ps(entries + 16 * v);
  }
  HWY_INLINE __m512i Index(__m512i score) const {
    const __m512i distance = kStep > 0 ? _mm512_sub_epi32(best, score)
                                       : _mm512_sub_epi32(score, best);
    return kStep == 2 || kStep == -2 ? _mm512_srli_epi32(distance, 1)
                                     : distance;
  }
  HWY_INLINE __m512 Exp(__m512i index) const {
    const __m512 near = _mm512_permutex2var_ps(table[0], index, table[1]);
    if constexpr (kVectors == 2) {
      return near;
    } else {
      const __mmask16 upper =
          _mm512_test_epi32_mask(index, _mm512_set1_epi32(32));
      return _mm512_mask_blend_ps(
          upper, near,
          _mm512_permutex2var_ps(table[kVectors - 2], index,
                                 table[kVectors - 1]));
    }
  }
};

// Row sum of exps, 16 virtual lanes.
template <class Row>
HWY_INLINE __m512i SumExps(const int32_t* scores, size_t keys, const Row& row) {
  __m512 sum = _mm512_setzero_ps();
  size_t j = 0;
  for (; j + kLaneBlock <= keys; j += kLaneBlock) {
    const __m512i index = row.Index(_mm512_load_si512(scores + j));
    sum = _mm512_add_ps(sum, row.Exp(index));
  }
  if (j < keys) {
    const __m512i index = row.Index(LoadTail(scores + j, keys - j, row.best));
    sum =
        _mm512_mask_add_ps(sum, static_cast<__mmask16>((1u << (keys - j)) - 1),
                           sum, row.Exp(index));
  }
  return _mm512_castps_si512(sum);
}

// Bit i: table entry i of the row lies above the window of probabilities;
// likewise below.
struct EntryCodes {
  uint64_t above = 0;
  uint64_t below = 0;
};

template <class Row>
HWY_INLINE EntryCodes CompareEntries(const Row& row, float inverse_value,
                                     const SignWindow& window) {
  const __m512 inverse = _mm512_set1_ps(inverse_value);
  const __m512 hi = _mm512_set1_ps(window.hi), lo = _mm512_set1_ps(window.lo);
  EntryCodes codes;
  for (size_t v = 0; v < Row::kVectors; ++v) {
    const __m512 p = _mm512_mul_ps(row.table[v], inverse);
    const uint64_t above = _mm512_cmp_ps_mask(p, hi, _CMP_GT_OQ),
                   below = _mm512_cmp_ps_mask(p, lo, _CMP_LT_OQ);
    codes.above |= above << (16 * v);
    codes.below |= below << (16 * v);
  }
  return codes;
}

// Negative where a score is better than the bound (both are far from overflow).
template <bool kNegative>
HWY_INLINE __m512i Margin(const int32_t* scores, __m512i bound) {
  const __m512i score = _mm512_load_si512(scores);
  return kNegative ? _mm512_sub_epi32(score, bound)
                   : _mm512_sub_epi32(bound, score);
}

// Bit i: score i of 64 is better than the bound. Saturating packs keep the
// sign, so that one instruction fetches 64 of them.
template <bool kNegative>
HWY_INLINE uint64_t BetterBits(const int32_t* scores, __m512i bound) {
  const __m512i ab = _mm512_packs_epi32(Margin<kNegative>(scores, bound),
                                        Margin<kNegative>(scores + 16, bound));
  const __m512i cd = _mm512_packs_epi32(Margin<kNegative>(scores + 32, bound),
                                        Margin<kNegative>(scores + 48, bound));
  // Packing works in 128-bit lanes: dword 4 * lane + vector holds scores 16 *
  // vector + 4 * lane .. + 3.
  const __m512i order =
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_movepi8_mask(
      _mm512_permutexvar_epi32(order, _mm512_packs_epi16(ab, cd)));
}

// Codes of a row by one integer comparison: the scores better than `bound` lie
// above the window. Returns how many are +1.
template <bool kNegative>
HWY_INLINE int32_t StoreCodes(const int32_t* scores, size_t keys,
                              int32_t bound_score, bool flip, uint32_t* sign,
                              uint32_t* valid) {
  const __m512i bound = _mm512_set1_epi32(bound_score);
  const uint64_t inverted = flip ? ~uint64_t{0} : 0;
  int32_t positive = 0;
  size_t j = 0;
  for (; j + 64 <= keys; j += 64) {
    const uint64_t bits = BetterBits<kNegative>(scores + j, bound) ^ inverted,
                   all = ~uint64_t{0};
    std::memcpy(sign + j / 32, &bits, sizeof(bits));
    std::memcpy(valid + j / 32, &all, sizeof(all));
    positive += __builtin_popcountll(bits);
  }
  if (j < keys) {
    uint64_t bits = 0;
    for (size_t i = j; i < keys; i += kLaneBlock) {
      const __m512i margin = Margin<kNegative>(scores + i, bound);
      bits |= static_cast<uint64_t>(
                  _mm512_cmpgt_epi32_mask(_mm512_setzero_si512(), margin))
              << (i - j);
    }
    const uint64_t real = (uint64_t{1} << (keys - j)) - 1;
    bits = (bits ^ inverted) & real;
    std::memcpy(sign + j / 32, &bits, sizeof(bits));
    std::memcpy(valid + j / 32, &real, sizeof(real));
    positive += __builtin_popcountll(bits);
  }
  return positive;
}

// Codes of four rows by their bounds.
template <bool kNegative>
HWY_NOINLINE void StoreRows(const ProbabilityArgs& args, const int32_t* scores,
                            const int32_t* bound, BitRows* codes) {
  for (size_t r = 0; r < 4; ++r) {
    const size_t at = r * codes->stride;
    const int32_t positive = StoreCodes<kNegative>(
        scores + r * args.lanes, args.keys, bound[r],
        args.quantiser.window.flip, codes->sign + at, codes->valid + at);
    codes->base[r] =
        -args.zv * (2 * positive - static_cast<int32_t>(args.keys));
  }
  codes->has_zeros = false;
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

// Four rows by table, no score of which is kEntries steps or more from its best
// one; false if a row needs what tables cannot give: zero codes, or a code that
// is not a monotone function of the score.
template <int kStep, size_t kEntries>
bool TableRows(const ProbabilityArgs& args, const int32_t* scores,
               const int32_t* best, BitRows* codes) {
  constexpr uint64_t kAll = ~uint64_t{0} >> (64 - kEntries);
  using Row = TableRow<kStep, kEntries>;
  const float* table[4];
  __m512i sums[4];
  for (size_t r = 0; r < 4; ++r) {
    table[r] = Table<kStep>(args, best[r]);
    // Two best scores of one slot in one block of rows: the second has
    // overwritten the first.
    for (size_t i = 0; i < r; ++i) {
      if (table[i] == table[r] && best[i] != best[r]) return false;
    }
  }
  for (size_t r = 0; r < 4; ++r)
    sums[r] =
        SumExps(scores + r * args.lanes, args.keys, Row(table[r], best[r]));
  float inverse[4];
  _mm_storeu_ps(inverse, _mm_div_ps(_mm_set1_ps(1.0f),
                                    _mm_castsi128_ps(Fold<Sum>(sums))));
  int32_t bound[4];
  const SignWindow window = args.quantiser.window;
  for (size_t r = 0; r < 4; ++r) {
    const EntryCodes entries =
        CompareEntries(Row(table[r], best[r]), inverse[r], window);
    if ((entries.above & (entries.above + 1)) != 0 ||
        entries.above != (~entries.below & kAll))
      return false;
    bound[r] = best[r] - kStep * __builtin_popcountll(entries.above);
  }
  StoreRows<(kStep < 0)>(args, scores, bound, codes);
  return true;
}

template <int kStep>
bool TableBlock(const ProbabilityArgs& args, const int32_t* scores,
                BitRows* codes) {
  constexpr auto kSize = static_cast<uint32_t>(kStep < 0 ? -kStep : kStep);
  using Best = std::conditional_t<(kStep < 0), Least, Greatest>;
  using Worst = std::conditional_t<(kStep < 0), Greatest, Least>;
  const BestScores found = FindBest<Best, Worst>(scores, args.keys, args.lanes);
  // Steps of 1 come with zero codes, and then hardly any row is that narrow.
  if constexpr (kSize == 2) {
    if (found.span < kExpEntries / 2 * kSize)
      return TableRows<kStep, kExpEntries / 2>(args, scores, found.best, codes);
  }
  return found.span < kExpEntries * kSize &&
         TableRows<kStep, kExpEntries>(args, scores, found.best, codes);
}

}  // namespace

#ifdef BITTERN_SIMDE
void TableProbabilitiesSimde(
#else
void TableProbabilities(
#endif
    const ProbabilityArgs& args, int32_t* scores, float* exps, BitRows* codes) {
  if (codes->rows == kQueryRows && args.quantiser.window.exact) {
    const bool negative = args.score_scale < 0;
    const bool done = args.same_parity
                          ? (negative ? TableBlock<-2>(args, scores, codes)
                                      : TableBlock<2>(args, scores, codes))
                          : (negative ? TableBlock<-1>(args, scores, codes)
                                      : TableBlock<1>(args, scores, codes));
    if (done) return;
  }
  HwyStages().probabilities(args, scores, exps, codes);
}

}  // namespace bittern::kernels

BITTERN_AVX512_END

#endif  // x86-64 or SIMDe
