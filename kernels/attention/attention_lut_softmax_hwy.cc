// The probabilities of attention by look-up. Scores are bytes: exp is looked up
// by the distance from the best score, a byte of the float at a time, and codes
// come from comparing distances, not probabilities. Both give the bits of the
// definition, being computed by its operations on all the values that occur.
// Rows where that does not hold (kLutEntries steps or more between scores,
// codes that are zero or not monotone) take the portable stage.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_lut_softmax_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/attention/attention_lut-inl.h"
#include "kernels/base/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

const AttentionStages* AttentionHwyStageTable();  // attention_hwy.cc

namespace {

static_assert(kLutRows == kMomentRows);

using D16 = hn::Repartition<int16_t, DB>;
using V16 = hn::Vec<D16>;
using D32 = hn::Repartition<uint32_t, DB>;

// Bytes of keys -> the order of the keys.
HWY_INLINE VB InOrder(VB x) {
  if constexpr (kBytes == 16) {
    return x;
  } else {
    const D32 d;
    HWY_ALIGN int32_t source[kBytes / 4];
    for (size_t i = 0; i < kBytes / 4; ++i) {
      source[i] =
          static_cast<int32_t>(i % (kBytes / 16) * 4 + i / (kBytes / 16));
    }
    return hn::BitCast(DB(),
                       hn::TableLookupLanes(hn::BitCast(d, x),
                                            hn::SetTableIndices(d, source)));
  }
}

HWY_INLINE int32_t GreatestByte(VB x) {
  const D16 d;
  const V16 pairs = hn::BitCast(d, x);
  const V16 even = hn::And(pairs, hn::Set(d, 0xFF));
  const V16 odd = hn::BitCast(
      d, hn::ShiftRight<8>(hn::BitCast(hn::RebindToUnsigned<D16>(), pairs)));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(even, odd)));
}

// How far each key's score is below the best of its row, in steps; 255 for
// padding. Returns the greatest of a key.
template <bool kHalve>
int32_t Distances(const LutHead& head, LutQueries& rows) {
  const DB d;
  const D16 d16;
  const LutMatrix& k = head.b.k;
  const VB low = hn::Set(d, 0x7F);
  VB farthest = hn::Zero(d);
  for (size_t r = 0; r < rows.rows; ++r) {
    const uint8_t* HWY_RESTRICT raw = head.s.raw + r * k.lanes;
    uint8_t* HWY_RESTRICT distance = head.s.distance + r * k.lanes;
    VB best = hn::Zero(d);
    for (size_t j = 0; j < k.lanes; j += kBytes) {
      best = hn::Max(
          best, hn::And(hn::Load(d, raw + j), hn::Load(d, head.b.real + j)));
    }
    rows.best[r] = GreatestByte(best);
    best = hn::Set(d, static_cast<uint8_t>(rows.best[r]));
    for (size_t j = 0; j < k.lanes; j += kBytes) {
      const VB real = hn::Load(d, head.b.real + j);
      VB x = hn::Sub(best, hn::Load(d, raw + j));
      if constexpr (kHalve) {
        x = hn::And(hn::BitCast(d, hn::ShiftRight<1>(hn::BitCast(d16, x))),
                    low);
      }
      farthest = hn::Max(farthest, hn::And(x, real));
      hn::Store(hn::Or(x, hn::Not(real)), d, distance + j);
    }
  }
  return GreatestByte(farthest);
}

// Entries [begin, end) of a table, whole blocks of 16.
void FillTable(const LutHead& head, int32_t best, int32_t step, size_t begin,
               size_t end, float* exps, uint8_t* planes) {
  const DF d;
  const DI di;
  const VF scale = hn::Set(d, head.score_scale);
  const VF top = hn::Mul(hn::ConvertTo(d, hn::Set(di, best)), scale);
  for (size_t i = begin; i < end; i += kLanes) {
    const VI index = hn::Iota(di, static_cast<int32_t>(i));
    const VI score =
        hn::Sub(hn::Set(di, best), hn::Mul(index, hn::Set(di, step)));
    hn::Store(Exp(hn::Sub(hn::Mul(hn::ConvertTo(d, score), scale), top)), d,
              exps + i);
  }
  // Byte b of the four floats of a vector, then a transpose of 4 x 4 words.
  const hn::CappedTag<uint8_t, 16> d8;
  const hn::CappedTag<uint32_t, 4> d32;
  const hn::CappedTag<uint64_t, 2> d64;
  HWY_ALIGN static constexpr uint8_t kGather[16] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                    2, 6, 10, 14, 3, 7, 11, 15};
  const auto gather = hn::Load(d8, kGather);
  const auto bytes_of = [&](const float* x) HWY_ATTR {
    return hn::BitCast(
        d32, hn::TableLookupBytes(
                 hn::Load(d8, reinterpret_cast<const uint8_t*>(x)), gather));
  };
  for (size_t i = begin; i < end; i += 16) {
    const auto a = bytes_of(exps + i), b = bytes_of(exps + i + 4),
               c = bytes_of(exps + i + 8), e = bytes_of(exps + i + 12);
    const auto ab0 = hn::BitCast(d64, hn::InterleaveLower(d32, a, b)),
               ab1 = hn::BitCast(d64, hn::InterleaveUpper(d32, a, b)),
               ce0 = hn::BitCast(d64, hn::InterleaveLower(d32, c, e)),
               ce1 = hn::BitCast(d64, hn::InterleaveUpper(d32, c, e));
    auto* out = reinterpret_cast<uint64_t*>(planes + 4 * i);
    hn::Store(hn::InterleaveLower(d64, ab0, ce0), d64, out);
    hn::Store(hn::InterleaveUpper(d64, ab0, ce0), d64, out + 2);
    hn::Store(hn::InterleaveLower(d64, ab1, ce1), d64, out + 4);
    hn::Store(hn::InterleaveUpper(d64, ab1, ce1), d64, out + 6);
  }
}

struct ExpTable {
  const float* exps;
  const uint8_t* planes;
};

// The table of row r, with at least rows.entries entries.
HWY_INLINE ExpTable TableOf(const LutHead& head, const LutQueries& rows,
                            size_t r) {
  const LutExps& cache = head.s.cache;
  const int32_t best = rows.scale.unit * rows.best[r] + rows.base[r];
  const int32_t steps = rows.halve ? rows.best[r] / 2 : rows.best[r];
  const size_t slot = static_cast<size_t>(steps) % kLutSlots;
  float* exps = cache.exps + slot * kLutEntries;
  uint8_t* planes = cache.planes + slot * kLutEntries * sizeof(float);
  if (cache.best[slot] != best) cache.filled[slot] = 0;
  if (HWY_UNLIKELY(cache.filled[slot] < rows.entries)) {
    const int32_t step = rows.halve ? 2 * rows.scale.unit : rows.scale.unit;
    FillTable(head, best, step, cache.filled[slot], rows.entries, exps, planes);
    cache.best[slot] = best;
    cache.filled[slot] = rows.entries;
  }
  return {exps, planes};
}

// The bytes of the floats of a vector of keys.
struct FloatBytes {
  VB b0, b1, b2, b3;
};

HWY_INLINE void LookUp(const uint8_t* planes, VB index, FloatBytes& f) {
  const DB d;
  f.b0 =
      hn::Or(f.b0, hn::TableLookupBytesOr0(hn::LoadDup128(d, planes), index));
  f.b1 = hn::Or(f.b1,
                hn::TableLookupBytesOr0(hn::LoadDup128(d, planes + 16), index));
  f.b2 = hn::Or(f.b2,
                hn::TableLookupBytesOr0(hn::LoadDup128(d, planes + 32), index));
  f.b3 = hn::Or(f.b3,
                hn::TableLookupBytesOr0(hn::LoadDup128(d, planes + 48), index));
}

// Adds kBytes floats in the order of keys.
HWY_INLINE void AddFloats(const FloatBytes& f, LaneSum& sum) {
  const DB d;
  const DF df;
  const D16 d16;
  const V16 low01 = hn::BitCast(d16, hn::InterleaveLower(d, f.b0, f.b1)),
            high01 = hn::BitCast(d16, hn::InterleaveUpper(d, f.b0, f.b1)),
            low23 = hn::BitCast(d16, hn::InterleaveLower(d, f.b2, f.b3)),
            high23 = hn::BitCast(d16, hn::InterleaveUpper(d, f.b2, f.b3));
  const VF x0 = hn::BitCast(df, hn::InterleaveLower(d16, low01, low23)),
           x1 = hn::BitCast(df, hn::InterleaveUpper(d16, low01, low23)),
           x2 = hn::BitCast(df, hn::InterleaveLower(d16, high01, high23)),
           x3 = hn::BitCast(df, hn::InterleaveUpper(d16, high01, high23));
  sum.lane[0] = hn::Add(sum.lane[0], x0);
  sum.lane[1 % kVecs] = hn::Add(sum.lane[1 % kVecs], x1);
  sum.lane[2 % kVecs] = hn::Add(sum.lane[2 % kVecs], x2);
  sum.lane[3 % kVecs] = hn::Add(sum.lane[3 % kVecs], x3);
}

// What looks up 0 if it lies outside a block of 16 entries, below as above: x86
// does so for the high bit alone.
HWY_INLINE VB BlockIndex(VB x) {
#if HWY_ARCH_X86
  return hn::SaturatedAdd(x, hn::Set(DB(), 0x70));
#else
  return x;
#endif
}

// Padding looks up 0, too, and adding +0 changes no sum.
template <bool kTwo>
HWY_INLINE void SumVectors(const uint8_t* distance, const uint8_t* planes,
                           size_t entries, LaneSum& sum) {
  const DB d;
  const VB block = hn::Set(d, 16), none = hn::Zero(d);
  FloatBytes f{none, none, none, none}, g = f;
  VB x = hn::Load(d, distance), y = x;
  if constexpr (kTwo) y = hn::Load(d, distance + kBytes);
  for (size_t i = 0; i < entries; i += 16, planes += 64) {
    LookUp(planes, BlockIndex(x), f);
    x = hn::Sub(x, block);
    if constexpr (kTwo) {
      LookUp(planes, BlockIndex(y), g);
      y = hn::Sub(y, block);
    }
  }
  AddFloats(f, sum);
  if constexpr (kTwo) AddFloats(g, sum);
}

void SumRow(const uint8_t* distance, size_t lanes, const uint8_t* planes,
            size_t entries, LaneSum& sum) {
  size_t j = 0;
  for (; j + 2 * kBytes <= lanes; j += 2 * kBytes)
    SumVectors<true>(distance + j, planes, entries, sum);
  if (j < lanes) SumVectors<false>(distance + j, planes, entries, sum);
}

// How many entries have a probability above the window; -1 unless they come
// first and all others lie below it.
int32_t CountAbove(const float* exps, size_t entries, float inverse_value,
                   const SignWindow& window) {
  const DF d;
  const VF inverse = hn::Set(d, inverse_value), hi = hn::Set(d, window.hi),
           lo = hn::Set(d, window.lo);
  int32_t count = 0;
  for (size_t i = 0; i < entries; i += kBlock) {
    MF above[kVecs], below[kVecs];
    for (size_t v = 0; v < kVecs; ++v) {
      const VF p = hn::Mul(hn::Load(d, exps + i + v * kLanes), inverse);
      above[v] = hn::Gt(p, hi);
      below[v] = hn::Lt(p, lo);
    }
    const uint64_t bits = BlockBits(above);
    const bool in_order = (bits & (bits + 1)) == 0 &&
                          (bits == 0 || count == static_cast<int32_t>(i));
    if (!in_order || bits != (~BlockBits(below) & 0xFFFF)) return -1;
    count += static_cast<int32_t>(hwy::PopCount(bits));
  }
  return count;
}

// Keys nearer than `count` steps lie above the window. Returns how many codes
// are +1.
int32_t StoreNear(const uint8_t* distance, const LutHead& head, int32_t count,
                  uint32_t* sign, uint32_t* valid) {
  const DB d;
  const VB bound = hn::Set(d, static_cast<uint8_t>(count));
  const uint64_t flip = head.quantiser.window.flip ? 0 : ~uint64_t{0};
  int32_t positive = 0;
  for (size_t j = 0; j < head.keys; j += 64) {
    uint64_t bits = 0, real = ~uint64_t{0};
    for (size_t v = j; v < HWY_MIN(j + 64, head.b.k.lanes); v += kBytes) {
      // Distance < bound, unsigned: they differ, and the bound is the greater.
      const VB x = InOrder(hn::Load(d, distance + v));
      const auto far = hn::Eq(hn::Max(x, bound), x);
      uint64_t part = 0;
      hn::StoreMaskBits(d, far, reinterpret_cast<uint8_t*>(&part));
      bits |= part << (v - j);
    }
    if (head.keys - j < 64) real = (uint64_t{1} << (head.keys - j)) - 1;
    bits = (bits ^ flip) & real;
    memcpy(sign + j / 32, &bits, sizeof(bits));
    memcpy(valid + j / 32, &real, sizeof(real));
    positive += static_cast<int32_t>(hwy::PopCount(bits));
  }
  return positive;
}

// Codes of the probabilities by table; false if a row needs what tables cannot
// give.
bool NearCodes(const LutHead& head, LutQueries& rows, BitRows* codes) {
  const SignWindow& window = head.quantiser.window;
  if (rows.bias == nullptr || !window.exact) return false;
  const int32_t farthest =
      rows.halve ? Distances<true>(head, rows) : Distances<false>(head, rows);
  if (farthest >= static_cast<int32_t>(kLutEntries)) return false;
  rows.entries = RoundUp(static_cast<size_t>(farthest) + 1, 16);
  const size_t lanes = head.b.k.lanes;
  LaneSum sums[kLutRows];
  for (size_t r = 0; r < rows.rows; ++r) {
    SumRow(head.s.distance + r * lanes, lanes, TableOf(head, rows, r).planes,
           rows.entries, sums[r]);
  }
  const DF4 d4;
  HWY_ALIGN float inverse[kLutRows];
  hn::Store(hn::Div(hn::Set(d4, 1.0f), Totals(sums)), d4, inverse);
  codes->has_zeros = false;
  for (size_t r = 0; r < rows.rows; ++r) {
    const int32_t count = CountAbove(TableOf(head, rows, r).exps, rows.entries,
                                     inverse[r], window);
    if (count < 0) return false;
    const size_t at = r * codes->stride;
    const int32_t positive = StoreNear(head.s.distance + r * lanes, head, count,
                                       codes->sign + at, codes->valid + at);
    codes->base[r] =
        -head.zv * (2 * positive - static_cast<int32_t>(head.keys));
  }
  return true;
}

// The same by the portable stage.
void PortableCodes(const LutHead& head, const LutQueries& rows,
                   BitRows* codes) {
  const DB d8;
  const DI d;
  const hn::Rebind<uint8_t, DI> bytes_of_lanes;
  const VI unit = hn::Set(d, rows.scale.unit);
  const ProbabilityArgs args{head.score_scale,
                             head.zv,
                             head.quantiser,
                             head.keys,
                             RoundUp(head.keys, 16),
                             rows.scale.unit == 2,
                             nullptr};
  HWY_ALIGN uint8_t raw[kBytes];
  for (size_t r = 0; r < rows.rows; ++r) {
    const VI base = hn::Set(d, rows.base[r]);
    int32_t* scores = head.s.scores + r * args.lanes;
    for (size_t j = 0; j < args.lanes; j += kLanes) {
      if (j % kBytes == 0) {
        const uint8_t* x = head.s.raw + r * head.b.k.lanes + j;
        hn::Store(InOrder(hn::Load(d8, x)), d8, raw);
      }
      const VI x =
          hn::PromoteTo(d, hn::LoadU(bytes_of_lanes, raw + j % kBytes));
      VI score = hn::Add(hn::Mul(x, unit), base);
      if (rows.bias == nullptr)
        score = hn::Add(score, hn::Load(d, head.b.key_base + j));
      hn::Store(score, d, scores + j);
    }
  }
  AttentionHwyStageTable()->probabilities(args, head.s.scores, head.s.floats,
                                          codes);
}

}  // namespace

void LutProbabilities(const LutHead& head, LutQueries& rows, BitRows* codes) {
  if (!NearCodes(head, rows, codes)) PortableCodes(head, rows, codes);
}

#endif  // a target with byte shuffles
}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
