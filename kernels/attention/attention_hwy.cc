// The attention stages for every Highway target (equations: attention.h,
// operands: attention_layout.h); probabilities go from registers to bits.
// Range: |S| <= head_dim (1 + |zq|) (1 + |zk|) and |O| <= keys (1 + |zp|) (1 +
// |zv|) fit int32.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/attention/attention-inl.h"
#include "kernels/attention/attention_kernels.h"
#include "kernels/attention/attention_stages.h"
#include "kernels/attention/scaled_rows-inl.h"
#include "kernels/base/sign-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

// attention_pack_hwy.cc
void PackAttentionBlock(const AttentionArgs& args, size_t h,
                        void* block) noexcept;

namespace {

struct LaneCounts {
  VI mismatches;  // popcount((a ^ b) & both valid)
  VI both;        // popcount(both valid); 0 if the row has no zeros
};

// One row against one vector of lanes; b_sign and b_valid point at its lanes in
// word 0 of a block.
template <bool kRowHasZeros, bool kDense>
HWY_INLINE LaneCounts CountLanes(const uint32_t* a_sign,
                                 const uint32_t* a_valid,
                                 const uint32_t* b_sign,
                                 const uint32_t* b_valid, size_t words) {
  const DU d;
  BitCounter mismatches, both;
  for (size_t w = 0; w < words; ++w) {
    VU x = hn::Xor(hn::Load(d, b_sign + w * kBlock), hn::Set(d, a_sign[w]));
    if constexpr (!kDense || kRowHasZeros) {
      VU mask = hn::Load(d, b_valid + w * kBlock);
      if constexpr (kRowHasZeros) {
        mask = hn::And(mask, hn::Set(d, a_valid[w]));
        both.Add(mask);
      }
      x = hn::And(x, mask);
    }
    mismatches.Add(x);
  }
  return {mismatches.Total(), both.Total()};
}

// As CountLanes, for any number of words.
template <bool kRowHasZeros, bool kDense>
HWY_INLINE LaneCounts CountManyLanes(const uint32_t* a_sign,
                                     const uint32_t* a_valid,
                                     const uint32_t* b_sign,
                                     const uint32_t* b_valid, size_t words) {
  LaneCounts counts{hn::Zero(DI()), hn::Zero(DI())};
  for (size_t w = 0; w < words; w += kBytesBeforeWiden) {
    const LaneCounts c = CountLanes<kRowHasZeros, kDense>(
        a_sign + w, a_valid + w, b_sign + w * kBlock, b_valid + w * kBlock,
        HWY_MIN(kBytesBeforeWiden, words - w));
    counts = {hn::Add(counts.mismatches, c.mismatches),
              hn::Add(counts.both, c.both)};
  }
  return counts;
}

// kWords: the number of words if it is 1 or 2 (head columns up to 64), else 0.
template <bool kRowHasZeros, bool kDense, size_t kWords>
void ProductRow(const BitRows& a, size_t r, const LaneMatrix& b,
                int32_t* HWY_RESTRICT out) {
  const DI d;
  const VI row_base = hn::Set(d, a.base[r]);
  const int32_t* base = kRowHasZeros ? b.base : b.full;
  const uint32_t* a_sign = a.sign + r * a.stride;
  const uint32_t* a_valid = a.valid + r * a.stride;
  const size_t words = b.words, lanes = b.lanes();
  for (size_t lane = 0; lane < lanes; lane += kLanes) {
    const size_t at = lane / kBlock * words * kBlock + lane % kBlock;
    LaneCounts c{hn::Zero(d),
                 hn::Zero(d)};  // g++ gives a default constructor no target
    if constexpr (kWords != 0) {
      c = CountLanes<kRowHasZeros, kDense>(a_sign, a_valid, b.sign + at,
                                           b.valid + at, kWords);
    } else {
      c = CountManyLanes<kRowHasZeros, kDense>(a_sign, a_valid, b.sign + at,
                                               b.valid + at, words);
    }
    VI dot = hn::Add(hn::Load(d, base + lane),
                     hn::Sub(row_base, hn::ShiftLeft<1>(c.mismatches)));
    if constexpr (kRowHasZeros) dot = hn::Add(dot, c.both);
    hn::Store(dot, d, out + lane);
  }
}

template <bool kRowHasZeros, bool kDense>
void ProductRows(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  for (size_t r = 0; r < a.rows; ++r, out += b.lanes()) {
    switch (b.words) {
      case 1:
        ProductRow<kRowHasZeros, kDense, 1>(a, r, b, out);
        break;
      case 2:
        ProductRow<kRowHasZeros, kDense, 2>(a, r, b, out);
        break;
      default:
        ProductRow<kRowHasZeros, kDense, 0>(a, r, b, out);
        break;
    }
  }
}

void Product(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  if (a.has_zeros) return ProductRows<true, false>(a, b, out);
  b.dense ? ProductRows<false, true>(a, b, out)
          : ProductRows<false, false>(a, b, out);
}

// Rows whose exponentials are computed side by side: enough chains to hide the
// latency, few enough for the registers.
constexpr size_t kRowsTogether =
    kLanes == 16 ? kQueryRows : (kLanes == 1 ? 1 : 2);

struct Range {
  float low, high;  // of fl(S * scale) over the row
};

// Lanes of padding are made to repeat score 0, so that they change neither the
// range nor what exp is asked for.
HWY_INLINE Range ScoreRange(const ProbabilityArgs& args, int32_t* scores) {
  const DI d;
  for (size_t j = args.keys; j < args.lanes; ++j) scores[j] = scores[0];
  VI low = hn::Load(d, scores), high = low;
  for (size_t j = kLanes; j < args.lanes; j += kLanes) {
    const VI x = hn::Load(d, scores + j);
    low = hn::Min(low, x);
    high = hn::Max(high, x);
  }
  // fl(S * scale) is monotone in S.
  const float at_low = static_cast<float>(hn::GetLane(hn::MinOfLanes(d, low))) *
                       args.score_scale;
  const float at_high =
      static_cast<float>(hn::GetLane(hn::MaxOfLanes(d, high))) *
      args.score_scale;
  return at_high > at_low ? Range{at_low, at_high} : Range{at_high, at_low};
}

// exps[r][j] = exp(fl(t_j - max_r)), sums[r] their row sum.
template <bool kNear, size_t kRows>
void ExpRows(const ProbabilityArgs& args, const int32_t* scores,
             const Range* range, float* exps, float* sums) {
  const DF d;
  const VF scale = hn::Set(d, args.score_scale);
  VF top[kRows];
  LaneSum sum[kRows];
  for (size_t r = 0; r < kRows; ++r) top[r] = hn::Set(d, range[r].high);
  const auto exp_vector = [&](size_t r, size_t j) HWY_ATTR {
    const VI score = hn::Load(DI(), scores + r * args.lanes + j);
    const VF x = hn::Sub(hn::Mul(hn::ConvertTo(d, score), scale), top[r]);
    const VF e = kNear ? ExpNormal(x) : Exp(x);
    hn::Store(e, d, exps + r * args.lanes + j);
    return e;
  };
  size_t i = 0;
  for (; i + kBlock <= args.keys; i += kBlock) {
    for (size_t v = 0; v < kVecs; ++v) {
      for (size_t r = 0; r < kRows; ++r)
        sum[r].lane[v] = hn::Add(sum[r].lane[v], exp_vector(r, i + v * kLanes));
    }
  }
  for (size_t v = 0; v < kVecs && i < args.keys; ++v) {
    const MF real = BlockMask(v, args.keys - i);
    for (size_t r = 0; r < kRows; ++r) {
      sum[r].lane[v] =
          hn::Add(sum[r].lane[v],
                  hn::IfThenElseZero(real, exp_vector(r, i + v * kLanes)));
    }
  }
  for (size_t r = 0; r < kRows; ++r) sums[r] = Total(sum[r]);
}

// Probabilities of a row -> bits; words past the last key are zero. Returns the
// sum of the codes; has_zeros is only ever set.
HWY_INLINE int32_t QuantiseRow(const ProbabilityArgs& args, const float* exps,
                               float inverse, uint32_t* sign, uint32_t* valid,
                               bool* has_zeros) {
  const ScaledFloats row{exps, hn::Set(DF(), inverse)};
  int32_t positive_count = 0, valid_count = 0;
  for (size_t first = 0; first < args.keys; first += 64) {
    const size_t width = HWY_MIN(size_t{64}, args.keys - first);
    const CodeBits bits = WordCodes(row, first, width, args.quantiser);
    memcpy(sign + first / 32, &bits.sign, sizeof(uint64_t));
    memcpy(valid + first / 32, &bits.valid, sizeof(uint64_t));
    positive_count += static_cast<int32_t>(hwy::PopCount(bits.sign));
    valid_count += static_cast<int32_t>(hwy::PopCount(bits.valid));
  }
  *has_zeros |= valid_count != static_cast<int32_t>(args.keys);
  return 2 * positive_count - valid_count;
}

template <size_t kRows>
void ProbabilityRows(const ProbabilityArgs& args, size_t row, int32_t* scores,
                     float* exps, BitRows* codes) {
  Range range[kRows];
  float sums[kRows];
  bool near = true;
  for (size_t r = 0; r < kRows; ++r) {
    range[r] = ScoreRange(args, scores + r * args.lanes);
    near &= range[r].high - range[r].low <= 86.0f;  // false for NaN
  }
  near ? ExpRows<true, kRows>(args, scores, range, exps, sums)
       : ExpRows<false, kRows>(args, scores, range, exps, sums);
  for (size_t r = 0; r < kRows; ++r) {
    const size_t at = (row + r) * codes->stride;
    codes->base[row + r] =
        -args.zv * QuantiseRow(args, exps + r * args.lanes, 1.0f / sums[r],
                               codes->sign + at, codes->valid + at,
                               &codes->has_zeros);
  }
}

void Probabilities(const ProbabilityArgs& args, int32_t* scores, float* exps,
                   BitRows* codes) {
  codes->has_zeros = false;
  size_t r = 0;
  for (; r + kRowsTogether <= codes->rows; r += kRowsTogether) {
    ProbabilityRows<kRowsTogether>(args, r, scores + r * args.lanes, exps,
                                   codes);
  }
  for (; r < codes->rows; ++r)
    ProbabilityRows<1>(args, r, scores + r * args.lanes, exps, codes);
}

// ORs a word of at most 64 bits into a plane row at `column`.
HWY_INLINE void PutBits(uint64_t* row, size_t column, uint64_t bits) {
  const size_t shift = column % 64;
  row[column / 64] |= bits << shift;
  if (shift != 0 && bits >> (64 - shift) != 0)
    row[column / 64 + 1] |= bits >> (64 - shift);
}

HWY_INLINE void StoreFloats(const ScaledIntegers& row, size_t count,
                            float* out) {
  HWY_ALIGN float block[kBlock];
  for (size_t i = 0; i < count; i += kBlock) {
    VF y[kVecs];
    row.Load(i, y);
    for (size_t v = 0; v < kVecs; ++v)
      hn::Store(Canonical(y[v]), DF(), block + v * kLanes);
    memcpy(out + i, block, HWY_MIN(kBlock, count - i) * sizeof(float));
  }
}

void Store(const AttentionArgs& args, size_t h, size_t first_row, size_t rows,
           const int32_t* out) {
  const size_t dim = args.head_dim;
  const VF scale = hn::Set(DF(), args.head[h].out_scale);
  const CodePlanes& p = args.out_codes;
  for (size_t row = first_row; row < first_row + rows;
       ++row, out += RoundUp(dim, kBlock)) {
    const ScaledIntegers y{out, scale};
    if (args.out_f32 != nullptr) {
      StoreFloats(y, dim, args.out_f32 + (row * args.heads + h) * dim);
      continue;
    }
    for (size_t first = 0; first < dim; first += 64) {
      const CodeBits bits = WordCodes(
          y, first, HWY_MIN(size_t{64}, dim - first), SignQuantiser{});
      PutBits(p.sign + row * p.row_words, h * dim + first, bits.sign);
      PutBits(p.valid + row * p.row_words, h * dim + first, bits.valid);
      p.valid_count[row] += static_cast<int32_t>(hwy::PopCount(bits.valid));
    }
  }
}

// Query rows of head h: their words side by side, and -zk * sum(q).
void Queries(const AttentionArgs& args, size_t h, size_t row, BitRows* q) {
  const size_t words = GroupWords(args.head_dim);
  q->has_zeros = false;
  for (size_t r = 0; r < q->rows; ++r) {
    const size_t first = (row + r) * args.q.row_words + h * words;
    int32_t positive = 0, valid = 0;
    for (size_t w = 0; w < words; ++w) {
      memcpy(q->sign + r * q->stride + 2 * w, args.q.sign + first + w,
             sizeof(uint64_t));
      memcpy(q->valid + r * q->stride + 2 * w, args.q.valid + first + w,
             sizeof(uint64_t));
      positive += static_cast<int32_t>(hwy::PopCount(args.q.sign[first + w]));
      valid += static_cast<int32_t>(hwy::PopCount(args.q.valid[first + w]));
    }
    q->base[r] = -args.head[h].zk * (2 * positive - valid);
    q->has_zeros |= valid != static_cast<int32_t>(args.head_dim);
  }
}

void FillExps(float scale_value, int32_t best, int32_t step, float* exps) {
  const DF d;
  const DI di;
  const VF scale = hn::Set(d, scale_value);
  const VF top = hn::Mul(hn::ConvertTo(d, hn::Set(di, best)), scale);
  for (size_t i = 0; i < kExpEntries; i += kLanes) {
    const VI score = hn::Sub(
        hn::Set(di, best),
        hn::Mul(hn::Iota(di, static_cast<int32_t>(i)), hn::Set(di, step)));
    hn::StoreU(Exp(hn::Sub(hn::Mul(hn::ConvertTo(d, score), scale), top)), d,
               exps + i);
  }
}

constexpr AttentionStages kStages = {&PackAttentionBlock, &Queries,  &Product,
                                     &Probabilities,      &FillExps, &Store};

void Prepare(const AttentionArgs& args, size_t h) noexcept {
  PrepareAttention(kStages, args, h);
}

void Run(const AttentionArgs& args, size_t row, size_t rows,
         void* scratch) noexcept {
  RunAttention(kStages, args, row, rows, scratch);
}

// Measured on Zen 5: AVX2 4.1 cycles a (query, key) pair of 64 columns, AVX-512
// 2.4, SSE4 9.2.
double Cycles(size_t tokens, size_t heads, size_t head_dim) noexcept {
  const double pairs = static_cast<double>(tokens * tokens * heads);
  const double lanes = static_cast<double>(kLanes);
  return pairs / lanes * (18.0 + 0.28 * static_cast<double>(head_dim));
}

}  // namespace

const AttentionStages* AttentionHwyStageTable() { return &kStages; }

const AttentionKernel* AttentionHwyKernel() {
  static constexpr AttentionKernel kKernel = {"attention/hwy",
                                              kNone,
                                              &AttentionBlockBytes,
                                              &AttentionScratchBytes,
                                              &Prepare,
                                              &Run,
                                              &Cycles,
                                              false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(AttentionHwyKernel);
HWY_EXPORT(AttentionHwyStageTable);

std::span<const AttentionKernel> AttentionHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(AttentionHwyKernel, cpu)(), 1};
}
const AttentionStages& AttentionHwyStages(const CpuFeatures& cpu) {
  return *BITTERN_HWY_TABLE(AttentionHwyStageTable, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
