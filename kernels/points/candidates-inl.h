// Per-target steps of neighbours within one cloud, where the distance of two
// points serves both (points.h: CandidateArgs).
// Bounds: lanes are rows; the k-th smallest of the minima of 64 groups, by
// halving, for a vector of rows at once: 3 operations for each group and step,
// where a row alone waits for every count.
// Keep: no branch depends on a key; a vector's keys below the bound are
// written behind the list, and its end moves by as many.
#if defined(BITTERN_KERNELS_POINTS_CANDIDATES_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_POINTS_CANDIDATES_INL_H_
#undef BITTERN_KERNELS_POINTS_CANDIDATES_INL_H_
#else
#define BITTERN_KERNELS_POINTS_CANDIDATES_INL_H_
#endif

#include "kernels/points/select-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

// minima[g]: the least of keys g, g + 64, ... of the rows in lanes.
HWY_INLINE void GroupMinima(const int32_t* keys, size_t count,
                            int32_t* minima) {
  const DI di;
  for (size_t g = 0; g < kPointGroup; ++g) {
    VI least = hn::Load(di, keys + g * kPointGroup);
    for (size_t i = g + kPointGroup; i < count; i += kPointGroup)
      least = hn::Min(least, hn::Load(di, keys + i * kPointGroup));
    hn::Store(least, di, minima + g * kLanes);
  }
}

void GroupBounds(const BoundsArgs& args) noexcept {
  const DI di;
  HWY_ALIGN int32_t minima[kPointGroup * kLanes];
  const VI wanted = hn::Set(di, static_cast<int32_t>(args.k));
  const VI one = hn::Set(di, 1);
  for (size_t v = 0; v < kGroupVecs; ++v) {
    GroupMinima(args.keys + v * kLanes, args.count, minima);
    // The least is often a point itself, at distance 0: halving starts at the
    // second, if more than one is wanted.
    VI least = hn::Load(di, minima), second = hn::Set(di, kPaddingKey);
    VI hi = least;
    for (size_t g = 1; g < kPointGroup; ++g) {
      const VI x = hn::Load(di, minima + g * kLanes);
      second = hn::Min(second, hn::Max(least, x));
      least = hn::Min(least, x);
      hi = hn::Max(hi, x);
    }
    VI lo = args.k > 1 ? second : least;
    // As many as are wanted, or up to 4 more, is near enough.
    const VI enough = hn::Add(wanted, hn::Set(di, 4));
    VI at_hi = hn::Set(di, static_cast<int32_t>(kPointGroup));
    for (;;) {
      const auto open = hn::And(hn::Lt(lo, hi), hn::Gt(at_hi, enough));
      if (hn::AllFalse(di, open)) break;
      const VI middle = hn::Add(lo, hn::ShiftRight<1>(hn::Sub(hi, lo)));
      VI above = hn::Zero(di);
      for (size_t g = 0; g < kPointGroup; ++g) {
        // Keys are no negative numbers: the difference cannot overflow.
        const VI x = hn::Load(di, minima + g * kLanes);
        above = hn::Sub(above, hn::ShiftRight<31>(hn::Sub(middle, x)));
      }
      const VI below =
          hn::Sub(hn::Set(di, static_cast<int32_t>(kPointGroup)), above);
      const auto lower = hn::And(open, hn::Not(hn::Lt(below, wanted)));
      const auto raise = hn::And(open, hn::Lt(below, wanted));
      hi = hn::IfThenElse(lower, middle, hi);
      at_hi = hn::IfThenElse(lower, below, at_hi);
      lo = hn::IfThenElse(raise, hn::Add(middle, one), lo);
    }
    hi = hn::Min(hi, hn::Set(di, kPaddingKey - 1));
    hn::Store(hn::Add(hi, one), di, args.bounds + v * kLanes);
  }
}

// Those of a list up to `bound`, in their order; how many.
HWY_INLINE size_t Squeeze(int32_t* keys, int32_t* places, size_t stride,
                          int32_t bound) {
  const DI di;
  const VI limit = hn::Set(di, bound);
  size_t kept = 0;
  for (size_t i = 0; i < stride; i += kLanes) {
    const VI key = hn::Load(di, keys + i), place = hn::Load(di, places + i);
    const auto near = hn::Not(hn::Gt(key, limit));
    hn::StoreU(hn::Compress(key, near), di, keys + kept);
    hn::StoreU(hn::Compress(place, near), di, places + kept);
    kept += hn::CountTrue(di, near);
  }
  return kept;
}

// A list without those that are not among its k nearest, or few of them; the
// new length, at most kPointGroup.
HWY_NOINLINE size_t Shrink(const CandidateLists& lists, size_t row,
                           size_t count) {
  int32_t* keys = lists.Keys(row);
  int32_t* places = lists.Places(row);
  const size_t stride = PaddedPoints(count);
  for (size_t i = count; i < stride; i += kLanes)
    hn::StoreU(hn::Set(DI(), kPaddingKey), DI(), keys + i);
  const size_t room = kPointGroup - lists.k;
  const int32_t bound =
      UpperBound(keys, stride, lists.k, room < kSlack ? room : kSlack);
  lists.bounds[row] = bound;
  size_t kept = Squeeze(keys, places, stride, bound);
  // Ties: the last of those at the bound go.
  for (size_t i = kept; i > 0 && kept > kPointGroup; --i) {
    if (keys[i - 1] != bound) continue;
    --kept;
    for (size_t j = i - 1; j < kept; ++j) {
      keys[j] = keys[j + 1];
      places[j] = places[j + 1];
    }
  }
  return kept;
}

void Keep(const KeepArgs& args) noexcept {
  const DI di;
  const CandidateLists& lists = args.lists;
  for (size_t r = 0; r < args.rows; ++r) {
    const size_t row = args.row + r;
    const int32_t* from = args.keys + r * kPointGroup;
    size_t count = static_cast<size_t>(lists.counts[row]);
    if (count > kPointGroup) count = Shrink(lists, row, count);
    int32_t* keys = lists.Keys(row);
    int32_t* places = lists.Places(row);
    const VI bound = hn::Set(di, lists.bounds[row]);
    VI place = hn::Iota(di, static_cast<int32_t>(args.first));
    for (size_t v = 0; v < kGroupVecs; ++v) {
      const VI key = hn::Load(di, from + v * kLanes);
      const auto near = hn::Lt(key, bound);
      hn::StoreU(hn::Compress(key, near), di, keys + count);
      hn::StoreU(hn::Compress(place, near), di, places + count);
      count += hn::CountTrue(di, near);
      place = hn::Add(place, hn::Set(di, static_cast<int32_t>(kLanes)));
    }
    lists.counts[row] = static_cast<int32_t>(count);
  }
}

void Nearest(const NearestArgs& args) noexcept {
  const CandidateLists& lists = args.lists;
  HWY_ALIGN int32_t ranks[kPointGroup + kBlock];
  int64_t sorted[kPointGroup];
  int64_t* indices = args.indices;
  const size_t few =
      lists.k + kSlack < kPointGroup ? lists.k + kSlack : kPointGroup;
  for (size_t row = 0; row < args.rows; ++row) {
    auto count = static_cast<size_t>(lists.counts[row]);
    if (count > few) count = Shrink(lists, row, count);
    Rank(lists.Keys(row), count, ranks);
    const int32_t* places = lists.Places(row);
    for (size_t i = 0; i < count; ++i) sorted[ranks[i]] = places[i];
    memcpy(indices, sorted, lists.k * sizeof(int64_t));
    indices += lists.k;
  }
}

}  // namespace
}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // BITTERN_KERNELS_POINTS_CANDIDATES_INL_H_
