// The bit product of attention_lut.h by table look-up: one TableLookupBytes and
// one Add for a vector of lanes x 4 codes.
#if defined(BITTERN_KERNELS_ATTENTION_LUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_ATTENTION_LUT_INL_H_
#undef BITTERN_KERNELS_ATTENTION_LUT_INL_H_
#else
#define BITTERN_KERNELS_ATTENTION_LUT_INL_H_
#endif

#include "kernels/attention/attention_lut.h"
#include "kernels/attention/attention_stages.h"
#include "kernels/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

using DB = hn::Repartition<uint8_t, DF>;
using VB = hn::Vec<DB>;
constexpr size_t kBytes = hn::MaxLanes(DB());

// States of the kLutRows left rows, `stride` apart.
struct LutRows {
  const uint16_t* states;
  size_t stride;
};

// What a product is read from: the table, and dot = unit * raw - offset.
struct LutScale {
  const uint8_t* table;
  int32_t unit;
  int32_t offset;
  size_t groups;  // that a byte holds
};

HWY_INLINE LutScale ScaleOf(bool dense, size_t codes) {
  if (dense)
    return {kLutMatches.at, 2, static_cast<int32_t>(codes), 2 * kLutGroups};
  return {kLutDots.at, 1, static_cast<int32_t>(4 * CeilDiv(codes, 4)),
          kLutGroups};
}

// Two vectors of lanes of one left row.
struct LutSum {
  VB v0, v1;
};

template <bool kTwo>
HWY_INLINE void LutStep(const uint8_t* table, const VB w0, const VB w1,
                        LutSum& sum) {
  const VB row = hn::LoadDup128(DB(), table);
  sum.v0 = hn::Add(sum.v0, hn::TableLookupBytes(row, w0));
  if constexpr (kTwo) sum.v1 = hn::Add(sum.v1, hn::TableLookupBytes(row, w1));
}

template <bool kTwo>
HWY_INLINE void StoreSum(const LutSum& sum, uint8_t* raw) {
  hn::Store(sum.v0, DB(), raw);
  if constexpr (kTwo) hn::Store(sum.v1, DB(), raw + kBytes);
}

// Adds the look-ups of one table for all groups; `bits` is at the lanes of
// group 0.
template <bool kTwo>
HWY_INLINE void LutGroups(const LutRows& a, const uint8_t* bits, size_t lanes,
                          size_t groups, const uint8_t* table, LutSum& s0,
                          LutSum& s1, LutSum& s2, LutSum& s3) {
  const DB d;
  const uint16_t *a0 = a.states, *a1 = a0 + a.stride, *a2 = a1 + a.stride,
                 *a3 = a2 + a.stride;
  size_t g = 0;
  do {
    const VB w0 = hn::Load(d, bits);
    VB w1 = w0;
    if constexpr (kTwo) w1 = hn::Load(d, bits + kBytes);
    LutStep<kTwo>(table + a0[g], w0, w1, s0);
    LutStep<kTwo>(table + a1[g], w0, w1, s1);
    LutStep<kTwo>(table + a2[g], w0, w1, s2);
    LutStep<kTwo>(table + a3[g], w0, w1, s3);
    bits += lanes;
  } while (++g < groups);
}

// raw[r][lane] for kLutRows rows and one or two vectors of lanes.
template <bool kDense, bool kTwo>
HWY_INLINE void LutTile(const LutRows& a, const LutMatrix& b,
                        const uint8_t* table, size_t lane, const uint8_t* bias,
                        uint8_t* raw) {
  const DB d;
  LutSum s0{hn::Zero(d), hn::Zero(d)};
  if (bias != nullptr) {
    s0.v0 = hn::Load(d, bias + lane);
    if constexpr (kTwo) s0.v1 = hn::Load(d, bias + lane + kBytes);
  }
  LutSum s1 = s0, s2 = s0, s3 = s0;
  LutGroups<kTwo>(a, b.sign + lane, b.lanes, b.groups, table, s0, s1, s2, s3);
  if constexpr (!kDense) {
    LutGroups<kTwo>(a, b.zero + lane, b.lanes, b.groups, kLutZeros.at, s0, s1,
                    s2, s3);
  }
  raw += lane;
  StoreSum<kTwo>(s0, raw);
  StoreSum<kTwo>(s1, raw + b.lanes);
  StoreSum<kTwo>(s2, raw + 2 * b.lanes);
  StoreSum<kTwo>(s3, raw + 3 * b.lanes);
}

template <bool kDense>
HWY_NOINLINE void LutTiles(const LutRows& a, const LutMatrix& b,
                           const uint8_t* table, const uint8_t* bias,
                           uint8_t* raw) {
  size_t lane = 0;
  for (; lane + 2 * kBytes <= b.lanes; lane += 2 * kBytes)
    LutTile<kDense, true>(a, b, table, lane, bias, raw);
  if (lane < b.lanes) LutTile<kDense, false>(a, b, table, lane, bias, raw);
}

// raw [kLutRows][b.lanes], modulo 256, over the groups of b (at least one);
// starts from bias [b.lanes] or, if that is null, 0.
HWY_INLINE void LutProduct(const LutRows& a, const LutMatrix& b,
                           const uint8_t* table, const uint8_t* bias,
                           uint8_t* raw) {
  b.dense ? LutTiles<true>(a, b, table, bias, raw)
          : LutTiles<false>(a, b, table, bias, raw);
}

// The next at most `count` groups from `begin` on.
HWY_INLINE LutMatrix GroupsOf(const LutMatrix& b, size_t begin, size_t count) {
  const size_t at = begin * b.lanes;
  return {b.sign + at, b.zero + at, HWY_MIN(count, b.groups - begin), b.lanes,
          b.dense};
}

// Words of a sign and a validity plane -> 16 states each.
HWY_INLINE void FillStates(const uint64_t* sign, const uint64_t* valid,
                           size_t words, uint16_t* HWY_RESTRICT states) {
  const hn::CappedTag<uint8_t, 16> d;
  const hn::RepartitionToWide<decltype(d)> d16;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  const auto low = hn::Set(d, 0x0F), high = hn::Set(d, 0xF0);
  for (size_t w = 0; w < words; ++w, states += 16) {
    const auto s = hn::BitCast(d, hn::Set(d64, sign[w]));
    const auto v = hn::BitCast(d, hn::Set(d64, valid[w]));
    const auto s0 =
        hn::And(hn::BitCast(d, hn::ShiftLeft<4>(hn::BitCast(d16, s))), high);
    const auto v1 =
        hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(d16, v))), low);
    const auto even =
        hn::BitCast(d16, hn::InterleaveLower(d, s0, hn::And(v, low)));
    const auto odd =
        hn::BitCast(d16, hn::InterleaveLower(d, hn::And(s, high), v1));
    hn::Store(hn::InterleaveLower(d16, even, odd), d16, states);
    hn::Store(hn::InterleaveUpper(d16, even, odd), d16, states + 8);
  }
}

// A head on its way through the stages.
struct LutHead {
  LutBlock b;
  LutScratch s;
  SignQuantiser quantiser;
  float score_scale;  // not negative: k is negated instead
  int32_t zq, zk, zv;
  size_t keys, dim;
};

// Four query rows.
struct LutQueries {
  LutScale scale;          // of the scores
  const uint8_t* bias;     // of raw; null if it does not fit
  int32_t base[kLutRows];  // score = scale.unit * raw + base, without a bias +
                           // key_base
  int32_t best[kLutRows];  // raw of the best score
  size_t rows;
  size_t entries;  // of the exp tables, in whole blocks
  bool halve;      // raw is even in some rows and odd in others, never both
};

#endif  // a target with byte shuffles
}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_ATTENTION_LUT_INL_H_
