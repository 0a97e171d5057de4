// Per-target steps of neighbours within one cloud, where the distance of two
// points serves both (points.h: CandidateLists).
// Bounds: lanes are rows; the k-th smallest of the minima of 64 groups, by
// halving, for a vector of rows at once: 3 operations for each group and step,
// where a row alone waits for every count.
// Rows: no branch depends on a key; a vector's keys below the bound are written
// behind the list, and its end moves by as many. Columns: lanes are lists, few
// keys lie below the bounds of a group of them (22 lists of 1,024 points), and
// those go one by one: 0.94 of the time of transposing blocks for the above.
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
HWY_NOINLINE size_t Shrink(const CandidateLists& lists, size_t list,
                           size_t count) {
  int32_t* keys = lists.Keys(list);
  int32_t* places = lists.Places(list);
  const size_t stride = PaddedPoints(count);
  for (size_t i = count; i < stride; i += kLanes)
    hn::StoreU(hn::Set(DI(), kPaddingKey), DI(), keys + i);
  const size_t room = kPointGroup - lists.k;
  const int32_t bound =
      UpperBound(keys, stride, lists.k, room < kSlack ? room : kSlack);
  lists.bounds[list] = bound;
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

// The first four lanes: stores of whole vectors mostly cross a cache line,
// which doubles the time of KeepRows.
template <class V>
HWY_INLINE void StoreFour(V v, int32_t* to) {
  using D = hn::DFromV<V>;
  if constexpr (hn::MaxLanes(D()) > 4) {
    StoreFour(hn::LowerHalf(hn::Half<D>(), v), to);
  } else {
    hn::StoreU(v, D(), to);
  }
}

// The lanes in `near` behind two lists; how many.
HWY_INLINE size_t Append(VI keys, VI places, hn::Mask<DI> near,
                         int32_t* to_keys, int32_t* to_places) {
  const DI di;
  const VI near_keys = hn::Compress(keys, near);
  const VI near_places = hn::Compress(places, near);
  const size_t found = hn::CountTrue(di, near);
  if (HWY_LIKELY(found <= 4)) {
    StoreFour(near_keys, to_keys);
    StoreFour(near_places, to_places);
  } else {
    hn::StoreU(near_keys, di, to_keys);
    hn::StoreU(near_places, di, to_places);
  }
  return found;
}

void KeepRows(const KeepArgs& args) noexcept {
  const DI di;
  const CandidateLists& lists = args.lists;
  for (size_t r = 0; r < args.rows; ++r) {
    const size_t list = args.list + r;
    const int32_t* from = args.keys + r * kPointGroup;
    auto count = static_cast<size_t>(lists.counts[list]);
    if (count > kPointGroup) count = Shrink(lists, list, count);
    int32_t* keys = lists.Keys(list);
    int32_t* places = lists.Places(list);
    const VI bound = hn::Set(di, lists.bounds[list]);
    VI place = hn::Iota(di, static_cast<int32_t>(args.first));
    for (size_t v = 0; v < kGroupVecs; ++v) {
      const VI key = hn::Load(di, from + v * kLanes);
      count +=
          Append(key, place, hn::Lt(key, bound), keys + count, places + count);
      place = hn::Add(place, hn::Set(di, static_cast<int32_t>(kLanes)));
    }
    lists.counts[list] = static_cast<int32_t>(count);
  }
}

// Room for a key of each of kPointGroup rows.
HWY_INLINE void MakeRoom(const CandidateLists& lists, size_t first) {
  for (size_t list = first; list < first + kPointGroup; ++list) {
    const auto count = static_cast<size_t>(lists.counts[list]);
    if (HWY_UNLIKELY(count > kPointGroup))
      lists.counts[list] = static_cast<int32_t>(Shrink(lists, list, count));
  }
}

void KeepColumns(const KeepArgs& args) noexcept {
  const DI di;
  const CandidateLists& lists = args.lists;
  for (size_t row = 0; row < args.rows; ++row) {
    if (row % kPointGroup == 0) MakeRoom(lists, args.list);
    const int32_t* keys = args.keys + row * kPointGroup;
    uint64_t bits = GroupBits([&](size_t i) HWY_ATTR {
      return hn::Lt(hn::Load(di, keys + i),
                    hn::Load(di, lists.bounds + args.list + i));
    });
    for (; bits != 0; bits &= bits - 1) {
      const auto i = static_cast<size_t>(__builtin_ctzll(bits));
      const size_t list = args.list + i;
      const auto at = static_cast<size_t>(lists.counts[list]++);
      lists.Keys(list)[at] = keys[i];
      lists.Places(list)[at] = static_cast<int32_t>(args.first + row);
    }
  }
}

void Nearest(const NearestArgs& args) noexcept {
  const CandidateLists& lists = args.lists;
  HWY_ALIGN int32_t ranks[kPointGroup + kBlock];
  int64_t sorted[kPointGroup];
  int64_t* indices = args.indices;
  // Ranking them costs less than a bound for fewer.
  constexpr size_t kFew = 40;
  const size_t few = lists.k + kSlack < kFew ? kFew : kPointGroup;
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
