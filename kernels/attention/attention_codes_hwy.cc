// Attention on codes for every Highway target with byte operations (equations:
// attention_codes.h, operands: attention_codes_stages.h). The product takes
// the even and the odd bytes of four as 16-bit pairs: two widening
// multiply-adds a vector of lanes and four terms, any codes of 8 bits.
// Range: a pair sum is at most 2 * 255 * 128; O and S fit int32 by contract.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_codes_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/attention/attention_codes_kernels.h"
#include "kernels/attention/attention_codes_stages.h"
#include "kernels/attention/scaled_rows-inl.h"
#include "kernels/base/byte_quantiser-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

// attention_codes_pack_hwy.cc
void PackCodes(const CodeHead& head);
void LoadQueryCodes(const CodeHead& head, size_t row, size_t rows, CodeRows* q);
int32_t SumBytes(const uint8_t* x, size_t bytes);

namespace {

using D16 = hn::Repartition<int16_t, DI>;
using V16 = hn::Vec<D16>;
using DU = hn::RebindToUnsigned<DI>;

struct Pairs {  // bytes 0 and 2, 1 and 3 of each lane
  V16 even, odd;
};

// Two partial sums, as ReorderWidenMulAccumulate wants them.
struct PairSum {
  VI a, b;

  HWY_INLINE void Add(const Pairs& left, const Pairs& right) {
    const DI d;
    a = hn::ReorderWidenMulAccumulate(d, left.even, right.even, a, b);
    a = hn::ReorderWidenMulAccumulate(d, left.odd, right.odd, a, b);
  }
};

HWY_INLINE Pairs LeftPairs(const uint8_t* a) {
  uint32_t four;
  memcpy(&four, a, sizeof(four));
  const DU d;
  const auto x = hn::Set(d, four);
  return {hn::BitCast(D16(), hn::And(x, hn::Set(d, 0x00FF00FF))),
          hn::BitCast(D16(),
                      hn::And(hn::ShiftRight<8>(x), hn::Set(d, 0x00FF00FF)))};
}

HWY_INLINE Pairs RightPairs(const int8_t* b) {
  const D16 d;
  const V16 x = hn::BitCast(d, hn::Load(hn::Repartition<int8_t, DI>(), b));
  return {hn::ShiftRight<8>(hn::ShiftLeft<8>(x)), hn::ShiftRight<8>(x)};
}

HWY_INLINE void StoreSums(const PairSum& sum, int32_t row_base,
                          const int32_t* base, int32_t* out) {
  const DI d;
  const VI total = hn::RearrangeToOddPlusEven(sum.a, sum.b);
  hn::Store(hn::Add(total, hn::Add(hn::Load(d, base), hn::Set(d, row_base))), d,
            out);
}

// kCodeRows rows and one or two vectors of lanes.
template <bool kTwo>
HWY_INLINE void Tile(const CodeRows& a, const CodeLanes& b, size_t lane,
                     int32_t* out) {
  const VI none = hn::Zero(DI());
  const PairSum zero{none, none};
  PairSum s00 = zero, s10 = zero, s20 = zero, s30 = zero;
  PairSum s01 = zero, s11 = zero, s21 = zero, s31 = zero;
  const uint8_t *a0 = a.a, *a1 = a0 + a.stride, *a2 = a1 + a.stride,
                *a3 = a2 + a.stride;
  const int8_t* right = b.packed + lane * 4;
  size_t k = 0;
  do {
    const Pairs b0 = RightPairs(right);
    Pairs b1 = b0;
    if constexpr (kTwo) b1 = RightPairs(right + kLanes * 4);
    const Pairs x0 = LeftPairs(a0 + k);
    s00.Add(x0, b0);
    if constexpr (kTwo) s01.Add(x0, b1);
    const Pairs x1 = LeftPairs(a1 + k);
    s10.Add(x1, b0);
    if constexpr (kTwo) s11.Add(x1, b1);
    const Pairs x2 = LeftPairs(a2 + k);
    s20.Add(x2, b0);
    if constexpr (kTwo) s21.Add(x2, b1);
    const Pairs x3 = LeftPairs(a3 + k);
    s30.Add(x3, b0);
    if constexpr (kTwo) s31.Add(x3, b1);
    right += b.lanes * 4;
    k += 4;
  } while (k < 4 * b.groups);
  const int32_t* base = b.base + lane;
  out += lane;
  StoreSums(s00, a.base[0], base, out);
  StoreSums(s10, a.base[1], base, out + b.lanes);
  StoreSums(s20, a.base[2], base, out + 2 * b.lanes);
  StoreSums(s30, a.base[3], base, out + 3 * b.lanes);
  if constexpr (kTwo) {
    base += kLanes;
    out += kLanes;
    StoreSums(s01, a.base[0], base, out);
    StoreSums(s11, a.base[1], base, out + b.lanes);
    StoreSums(s21, a.base[2], base, out + 2 * b.lanes);
    StoreSums(s31, a.base[3], base, out + 3 * b.lanes);
  }
}

void Product(const CodeRows& a, const CodeLanes& b, int32_t* out) {
  size_t lane = 0;
  for (; lane + 2 * kLanes <= b.lanes; lane += 2 * kLanes)
    Tile<true>(a, b, lane, out);
  if (lane < b.lanes) Tile<false>(a, b, lane, out);
}

const float* TermRow(const ScoreTerm& term, size_t h, size_t row) {
  if (term.data == nullptr) return nullptr;
  return reinterpret_cast<const float*>(
      reinterpret_cast<const char*>(term.data) +
      static_cast<ptrdiff_t>(h) * term.head_stride +
      static_cast<ptrdiff_t>(row) * term.row_stride);
}

// t of one row: scores with bias and mask. Lanes past the last key are any
// float.
struct ScoreRow {
  ScaledIntegers scores;
  const float* bias;
  const float* mask;

  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    scores.Load(column, y);
    if (bias != nullptr) Add(bias + column, y);
    if (mask != nullptr) Add(mask + column, y);
  }
  HWY_INLINE void LoadTail(size_t column, size_t count, VF (&y)[kVecs]) const {
    VF x[kVecs];
    scores.Load(column, y);
    for (const float* term : {bias, mask}) {
      if (term == nullptr) continue;
      LoadPart(term + column, count, x);
      for (size_t v = 0; v < kVecs; ++v) y[v] = hn::Add(y[v], x[v]);
    }
  }
  static HWY_INLINE void Add(const float* x, VF (&y)[kVecs]) {
    for (size_t v = 0; v < kVecs; ++v)
      y[v] = hn::Add(y[v], hn::LoadU(DF(), x + v * kLanes));
  }
};

// Stores t of a row and returns the greatest. A NaN may hide here: it reaches
// all through the sum.
HWY_INLINE float StoreScores(const ScoreRow& row, size_t keys, float* t) {
  const DF d;
  VF high = hn::BitCast(d, hn::Set(DI(), static_cast<int32_t>(0xff800000)));
  VF y[kVecs];
  size_t j = 0;
  for (; j + kBlock <= keys; j += kBlock) {
    row.Load(j, y);
    for (size_t v = 0; v < kVecs; ++v) {
      high = hn::Max(y[v], high);
      hn::Store(y[v], d, t + j + v * kLanes);
    }
  }
  if (j < keys) {
    row.LoadTail(j, keys - j, y);
    for (size_t v = 0; v < kVecs; ++v) {
      high = hn::Max(hn::IfThenElse(BlockMask(v, keys - j), y[v], high), high);
      hn::Store(y[v], d, t + j + v * kLanes);
    }
  }
  return hn::GetLane(hn::MaxOfLanes(d, high));
}

// exp(x), x <= 0 or NaN, by the operations of Exp, but for their products below
// 2^-125: those round once, as an integer number of 2^-149, whose bits it then
// is. A product that leaves the normal range costs a hundred cycles.
HWY_INLINE VF ExpFar(VF x) {
  const DF d;
  const DI di;
  const ExpParts e = ExpReduced(hn::Max(x, hn::Set(d, -104.0f)), 0);
  const VI n = hn::Sub(e.shifted, hn::Set(di, 0x4B400000));
  const VI edge = hn::Set(di, -126);
  const VF tiny = hn::BitCast(
      d, hn::NearestInt(hn::Mul(
             e.p, PowerOfTwo(hn::Add(hn::Min(n, edge), hn::Set(di, 149))))));
  const VF normal = hn::Mul(e.p, PowerOfTwo(hn::Max(n, hn::Set(di, -125))));
  const MF above = hn::RebindMask(d, hn::Gt(n, edge));
  return KeepNan(x, hn::IfThenElse(above, normal, tiny));
}

// The same. Only masked keys are as far as -87, and they come several in a row.
HWY_INLINE VF ExpDistance(VF x) {
  if (HWY_LIKELY(hn::AllFalse(DF(), hn::Lt(x, hn::Set(DF(), -87.0f)))))
    return ExpNormal(x);
  return ExpFar(x);
}

// x = exp(x - max) in place; returns the row sum.
float ExpRow(size_t keys, float max, float* x) {
  const DF d;
  const VF top = hn::Set(d, max);
  LaneSum sum;
  const auto step = [&](size_t i) HWY_ATTR {
    const VF e = ExpDistance(hn::Sub(hn::Load(d, x + i), top));
    hn::Store(e, d, x + i);
    return e;
  };
  size_t j = 0;
  for (; j + kBlock <= keys; j += kBlock) {
    for (size_t v = 0; v < kVecs; ++v)
      sum.lane[v] = hn::Add(sum.lane[v], step(j + v * kLanes));
  }
  for (size_t v = 0; v < kVecs && j + v * kLanes < keys; ++v) {
    sum.lane[v] = hn::Add(
        sum.lane[v],
        hn::IfThenElseZero(BlockMask(v, keys - j), step(j + v * kLanes)));
  }
  return Total(sum);
}

template <class Loader>
HWY_INLINE void QuantiseRow(const Loader& row, const ByteQuantiser& q,
                            size_t index, size_t column, size_t count,
                            uint8_t* out) {
  if (q.per == ScalePer::kColumn) {
    q.multiply ? ByteRow(row, ColumnBytes<true>(q, index), column, count, out)
               : ByteRow(row, ColumnBytes<false>(q, index), column, count, out);
  } else {
    q.multiply
        ? ByteRow(row, UniformBytes<true>(q, index), column, count, out)
        : ByteRow(row, UniformBytes<false>(q, index), column, count, out);
  }
}

// Codes of a row of probabilities; the bytes past it, to the end of the block,
// are 0.
template <class Bytes>
HWY_INLINE void ProbabilityCodes(const ScaledFloats& p, const Bytes& bytes,
                                 size_t keys, uint8_t* out) {
  VF y[kVecs];
  for (size_t j = 0; j < keys; j += kBlock) {
    p.Load(j, y);
    bytes.Block(y, j, out + j);
  }
  if (keys % kBlock == 0) return;
  const ByteStore::DB d;
  out += keys / kBlock * kBlock;
  hn::Store(hn::IfThenElseZero(hn::FirstN(d, keys % kBlock), hn::Load(d, out)),
            d, out);
}

// At most three codes, by the two places where they change (code_steps.h).
struct StepBytes {
  VF from0, from1;
  ByteStore store;

  HWY_INLINE void Block(const VF (&y)[kVecs], size_t, uint8_t* out) const {
    VI codes[kVecs];
    for (size_t v = 0; v < kVecs; ++v) {  // a mask is -1
      codes[v] = hn::Sub(hn::Sub(hn::Zero(DI()), Mask(hn::Ge(y[v], from0))),
                         Mask(hn::Ge(y[v], from1)));
    }
    store(codes, out);
  }
  static HWY_INLINE VI Mask(MF mask) {
    return hn::BitCast(DI(), hn::VecFromMask(DF(), mask));
  }
};

// factor[r] makes row r probabilities. One scale for a head.
template <class Bytes>
void QuantiseProbabilities(const CodeHead& head, const Bytes& bytes,
                           const float* factor, size_t rows, CodeRows* codes) {
  const CodeAttentionArgs& args = *head.args;
  const size_t lanes = head.block.k.lanes;
  const int32_t zero = args.head[head.h].zv + RightOffset(args.v_type);
  for (size_t r = 0; r < rows; ++r) {
    uint8_t* out = head.scratch.codes + r * codes->stride;
    ProbabilityCodes(
        ScaledFloats{head.scratch.probs + r * lanes, hn::Set(DF(), factor[r])},
        bytes, args.k.rows, out);
    codes->base[r] = zero == 0 ? 0 : -zero * SumBytes(out, lanes);
  }
}

void ScaleRow(const ScaledFloats& p, size_t keys, float* probs) {
  VF y[kVecs];
  for (size_t j = 0; j < keys; j += kBlock) {
    p.Load(j, y);
    for (size_t v = 0; v < kVecs; ++v)
      hn::Store(y[v], DF(), probs + j + v * kLanes);
  }
}

// Stage by stage over the rows, so that the end of one row overlaps the start
// of the next.
void Probabilities(const CodeHead& head, size_t row, size_t rows,
                   CodeRows* codes) {
  const CodeAttentionArgs& args = *head.args;
  const CodeAttentionHead& values = args.head[head.h];
  const size_t lanes = head.block.k.lanes, keys = args.k.rows;
  const VF scale = hn::Set(DF(), values.score_scale);
  float* probs = head.scratch.probs;
  float greatest[kCodeRows], factor[kCodeRows];
  for (size_t r = 0; r < rows; ++r) {
    const ScoreRow scores{{head.scratch.scores + r * lanes, scale},
                          TermRow(args.bias, head.h, row + r),
                          TermRow(args.mask, head.h, row + r)};
    greatest[r] = StoreScores(scores, keys, probs + r * lanes);
  }
  for (size_t r = 0; r < rows; ++r) {
    factor[r] = args.softmax
                    ? 1.0f / ExpRow(keys, greatest[r], probs + r * lanes)
                    : 1.0f;
  }
  if (values.probs == nullptr) {
    for (size_t r = 0; r < rows; ++r) {
      float* p = probs + r * lanes;
      ScaleRow({p, hn::Set(DF(), factor[r])}, keys, p);
    }
    return;
  }
  const ByteQuantiser& q = *values.probs;
  bool numbers = args.softmax;  // a row with a NaN has no sum
  for (size_t r = 0; r < rows; ++r) numbers &= factor[r] == factor[r];
  const DF d;
  if (values.steps.exact && numbers) {
    const StepBytes bytes{hn::Set(d, values.steps.from[0]),
                          hn::Set(d, values.steps.from[1]), MakeByteStore(q)};
    QuantiseProbabilities(head, bytes, factor, rows, codes);
  } else if (q.multiply) {
    QuantiseProbabilities(head, UniformBytes<true>(q, 0), factor, rows, codes);
  } else {
    QuantiseProbabilities(head, UniformBytes<false>(q, 0), factor, rows, codes);
  }
  const int32_t right =
      args.v_type == Operand::kU8 ? 128 : RangeOf(args.v_type).MaxAbs();
  codes->max_pair = 2 * (q.step * q.hi + q.offset) * right;
}

// Bytes e of a vector of lanes, less the zero point.
template <int kByte>
HWY_INLINE VF ValueFloats(VI x, VI zero) {
  const VI byte = hn::ShiftRight<24>(hn::ShiftLeft<24 - 8 * kByte>(x));
  return hn::ConvertTo(DF(), hn::Sub(byte, zero));
}

// One fma chain per output over the keys, in order.
void FloatProduct(const CodeHead& head, size_t rows) {
  const DF d;
  const DI di;
  const CodeLanes& b = head.block.v;
  const size_t keys = head.args->k.rows, stride = head.block.k.lanes;
  const VI zero =
      hn::Set(di, head.args->head[head.h].zv + RightOffset(head.args->v_type));
  auto* out = reinterpret_cast<float*>(head.scratch.out);
  const float* p0 = head.scratch.probs;
  const float* p1 = p0 + HWY_MIN(size_t{1}, rows - 1) * stride;
  const float* p2 = p0 + HWY_MIN(size_t{2}, rows - 1) * stride;
  const float* p3 = p0 + (rows - 1) * stride;
  for (size_t lane = 0; lane < b.lanes; lane += kLanes) {
    VF s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    const auto add = [&](size_t j, VF v) HWY_ATTR {
      s0 = hn::MulAdd(hn::Set(d, p0[j]), v, s0);
      s1 = hn::MulAdd(hn::Set(d, p1[j]), v, s1);
      s2 = hn::MulAdd(hn::Set(d, p2[j]), v, s2);
      s3 = hn::MulAdd(hn::Set(d, p3[j]), v, s3);
    };
    for (size_t j = 0; j < keys; j += 4) {
      const auto* at = reinterpret_cast<const int32_t*>(b.packed);
      const VI x = hn::Load(di, at + j / 4 * b.lanes + lane);
      add(j, ValueFloats<0>(x, zero));
      if (j + 1 < keys) add(j + 1, ValueFloats<1>(x, zero));
      if (j + 2 < keys) add(j + 2, ValueFloats<2>(x, zero));
      if (j + 3 < keys) add(j + 3, ValueFloats<3>(x, zero));
    }
    hn::Store(s0, d, out + lane);
    hn::Store(s1, d, out + b.lanes + lane);
    hn::Store(s2, d, out + 2 * b.lanes + lane);
    hn::Store(s3, d, out + 3 * b.lanes + lane);
  }
}

template <class Loader>
void StoreRow(const CodeHead& head, const Loader& y, size_t row) {
  const CodeAttentionArgs& args = *head.args;
  const size_t dim = args.head_dim, column = head.h * dim;
  if (args.out_f32 == nullptr) {
    uint8_t* out = args.out_codes.data +
                   static_cast<ptrdiff_t>(row) * args.out_codes.stride + column;
    QuantiseRow(y, *args.out_quantiser, row, column, dim, out);
    return;
  }
  float* out = args.out_f32 + row * args.heads * dim + column;
  HWY_ALIGN float block[kBlock];
  for (size_t i = 0; i < dim; i += kBlock) {
    VF x[kVecs];
    y.Load(i, x);
    float* to = dim - i < kBlock ? block : out + i;
    for (size_t v = 0; v < kVecs; ++v)
      hn::StoreU(Canonical(x[v]), DF(), to + v * kLanes);
    if (to == block) memcpy(out + i, block, (dim - i) * sizeof(float));
  }
}

void Store(const CodeHead& head, size_t row, size_t rows) {
  const CodeAttentionHead& values = head.args->head[head.h];
  const VF scale = hn::Set(DF(), values.out_scale);
  for (size_t r = 0; r < rows; ++r) {
    const int32_t* out = head.scratch.out + r * head.block.v.lanes;
    if (values.probs != nullptr) {
      StoreRow(head, ScaledIntegers{out, scale}, row + r);
    } else {
      StoreRow(head, ScaledFloats{reinterpret_cast<const float*>(out), scale},
               row + r);
    }
  }
}

constexpr CodeStages kStages = {
    &PackCodes,    &LoadQueryCodes, &Product, &Probabilities,
    &FloatProduct, &Store,          0};

bool Supports(const CodeAttentionQuery&) noexcept { return true; }
void Prepare(const CodeAttentionArgs& args, size_t h) noexcept {
  PrepareCodes(kStages, args, h);
}
void Run(const CodeAttentionArgs& args, size_t row, size_t rows,
         void* scratch) noexcept {
  RunCodes(kStages, args, row, rows, scratch);
}

// Zen 5: AVX2 9.5, AVX-512 6.6 cycles a pair of 64 columns. NEON: counted.
double Cycles(const CodeAttentionQuery& q) noexcept {
  const double pairs = static_cast<double>(q.queries * q.keys * q.heads);
  const double lanes = kLanes == 16 ? 11.5 : static_cast<double>(kLanes);
  return pairs / lanes * (30.0 + 0.72 * static_cast<double>(q.head_dim));
}

}  // namespace

const CodeStages* CodeStageTable() { return &kStages; }

const CodeAttentionKernel* CodeAttentionHwyKernel() {
  static constexpr CodeAttentionKernel kKernel = {"attention/codes/hwy",
                                                  kNone,
                                                  &Supports,
                                                  &CodeBlockBytes,
                                                  &CodeScratchBytes,
                                                  &Prepare,
                                                  &Run,
                                                  &Cycles,
                                                  false};
  return &kKernel;
}
#else
const CodeStages* CodeStageTable() { return nullptr; }
const CodeAttentionKernel* CodeAttentionHwyKernel() { return nullptr; }
#endif  // a target with byte operations

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(CodeAttentionHwyKernel);
HWY_EXPORT(CodeStageTable);

std::span<const CodeAttentionKernel> CodeAttentionHwy(const CpuFeatures& cpu) {
  const CodeAttentionKernel* kernel =
      BITTERN_HWY_TABLE(CodeAttentionHwyKernel, cpu)();
  return {kernel, kernel != nullptr ? size_t{1} : 0};
}
const CodeStages& CodeHwyStages(const CpuFeatures& cpu) {
  return *BITTERN_HWY_TABLE(CodeStageTable, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
