// Per-target selection of the smallest keys of a row. The k-th smallest of the
// minima of 64 groups (key i in group i mod 64) bounds the k-th smallest key
// from above, since k groups hold at least one key below; it is found by
// halving, one count a step. What lies below it (about k + k/4 of 1024 for k =
// 20) is ranked by comparing all with all.
#if defined(BITTERN_KERNELS_POINTS_SELECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_POINTS_SELECT_INL_H_
#undef BITTERN_KERNELS_POINTS_SELECT_INL_H_
#else
#define BITTERN_KERNELS_POINTS_SELECT_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/base/math-inl.h"
#include "kernels/points/points.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

constexpr size_t kGroupVecs = kPointGroup / kLanes;

HWY_INLINE size_t CountUpTo(const int32_t* keys, size_t count, int32_t bound) {
  const DI di;
  const VI limit = hn::Set(di, bound);
  size_t above = 0;
  for (size_t i = 0; i < count; i += kLanes)
    above += hn::CountTrue(di, hn::Gt(hn::Load(di, keys + i), limit));
  return count - above;
}

// A bound that at least k of the keys do not exceed, and at most `slack` more
// unless they tie: two steps of halving less than for exactly k.
constexpr size_t kSlack = 4;

HWY_NOINLINE int32_t UpperBound(const int32_t* keys, size_t count, size_t k,
                                size_t slack) {
  const DI di;
  VI least = hn::Load(di, keys), second = hn::Set(di, kPaddingKey);
  VI most = hn::Set(di, INT32_MIN);
  for (size_t i = 0; i < count; i += kLanes) {
    const VI x = hn::Load(di, keys + i);
    if (i > 0) second = hn::Min(second, hn::Max(least, x));
    least = hn::Min(least, x);
    // Not padding, which is no bound.
    const auto key = hn::Lt(x, hn::Set(di, kPaddingKey));
    most = hn::IfThenElse(key, hn::Max(most, x), most);
  }
  // The least is mostly a point itself, far below the others: half of the steps
  // would go there. Where many are wanted, the bound is not that low.
  const bool many = k >= 8 && count > kLanes;
  int64_t lo = hn::GetLane(hn::MinOfLanes(di, many ? second : least));
  int64_t hi = hn::GetLane(hn::MaxOfLanes(di, most));
  while (lo < hi) {
    const int64_t middle = (lo + hi) >> 1;
    const size_t below = CountUpTo(keys, count, static_cast<int32_t>(middle));
    if (below < k) {
      lo = middle + 1;
    } else {
      hi = middle;
      if (below <= k + slack) break;
    }
  }
  return static_cast<int32_t>(hi);
}

int32_t BoundOf(const SelectArgs& args, size_t stride) {
  const DI di;
  if (args.k > kPointGroup || stride == kPointGroup)
    return UpperBound(args.keys, stride, args.k, kSlack);
  HWY_ALIGN int32_t minima[kPointGroup];
  for (size_t v = 0; v < kGroupVecs; ++v) {
    const int32_t* from = args.keys + v * kLanes;
    VI least = hn::Load(di, from);
    for (size_t i = kPointGroup; i < stride; i += kPointGroup)
      least = hn::Min(least, hn::Load(di, from + i));
    hn::Store(least, di, minima + v * kLanes);
  }
  return UpperBound(minima, kPointGroup, args.k, kSlack);
}

// Bit i: lane i of a group in mask(first lane of a vector).
template <class Mask>
HWY_INLINE uint64_t GroupBits(const Mask& mask) {
  uint64_t bits = 0;
  for (size_t i = 0; i < kPointGroup; i += kLanes) {
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(DI(), mask(i), bytes);
    bits |= (bytes[0] | static_cast<uint64_t>(bytes[1]) << 8) << i;
  }
  return bits;
}

// The ranks of `count` candidates, in their order by place: how many are less,
// or equal and before. Lanes are candidates; no branch depends on a key.
HWY_NOINLINE void Rank(const int32_t* keys, size_t count, int32_t* ranks) {
  const DI di;
  for (size_t i = 0; i < count; i += kLanes) {
    const VI key = hn::LoadU(di, keys + i);
    VI rank = hn::Zero(di);
    const auto add = [&](auto mask) HWY_ATTR {
      rank = hn::Sub(rank, hn::VecFromMask(di, mask));
    };
    size_t j = 0;
    for (; j < i; ++j) add(hn::Not(hn::Gt(hn::Set(di, keys[j]), key)));
    const size_t block = i + kLanes < count ? i + kLanes : count;
    const VI place = hn::Iota(di, static_cast<int32_t>(i));
    for (; j < block; ++j) {
      const VI before = hn::VecFromMask(
          di, hn::Gt(place, hn::Set(di, static_cast<int32_t>(j))));
      add(hn::Gt(hn::Sub(key, before), hn::Set(di, keys[j])));
    }
    for (; j < count; ++j) add(hn::Gt(key, hn::Set(di, keys[j])));
    hn::Store(rank, di, ranks + i);
  }
}

// The key above the place: all different, and ordered as wanted.
HWY_INLINE uint64_t Ranked(int32_t key, uint64_t place) {
  return static_cast<uint64_t>(static_cast<uint32_t>(key) ^ 0x80000000u) << 32 |
         place;
}

// The k best of the places in scratch, where there are many (ties), by
// insertion: a place that comes later has to be less than all that are held.
void SelectOfMany(const SelectArgs& args, size_t count) {
  uint64_t* best = args.scratch;  // ascending, at most k
  size_t held = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t place = best[i];
    const uint64_t ranked = Ranked(args.keys[place], place);
    if (held == args.k) {
      if (ranked > best[held - 1]) continue;
      --held;
    }
    size_t at = held++;
    for (; at > 0 && best[at - 1] > ranked; --at) best[at] = best[at - 1];
    best[at] = ranked;
  }
  for (size_t i = 0; i < args.k; ++i)
    args.indices[i] = static_cast<int64_t>(best[i] & 0xffffffffu);
}

void Select(const SelectArgs& args) noexcept {
  constexpr size_t kFew = 64;
  const size_t stride = PaddedPoints(args.count);
  const VI bound = hn::Set(DI(), BoundOf(args, stride));
  uint64_t* places = args.scratch;
  size_t count = 0;
  for (size_t i = 0; i < stride; i += kPointGroup) {
    uint64_t bits = ~GroupBits([&](size_t lane) HWY_ATTR {
      return hn::Gt(hn::Load(DI(), args.keys + i + lane), bound);
    });
    if (args.count - i < kPointGroup)
      bits &= (uint64_t{1} << (args.count - i)) - 1;
    for (; bits != 0; bits &= bits - 1) {
      places[count++] = i + static_cast<size_t>(__builtin_ctzll(bits));
    }
  }
  if (count > kFew) return SelectOfMany(args, count);
  HWY_ALIGN int32_t keys[kFew + kBlock], ranks[kFew + kBlock];
  for (size_t i = 0; i < count; ++i) keys[i] = args.keys[places[i]];
  for (size_t i = count; i < count + kBlock; ++i) keys[i] = kPaddingKey;
  Rank(keys, count, ranks);
  int64_t sorted[kFew];
  for (size_t i = 0; i < count; ++i)
    sorted[ranks[i]] = static_cast<int64_t>(places[i]);
  memcpy(args.indices, sorted, args.k * sizeof(int64_t));
}

}  // namespace
}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // BITTERN_KERNELS_POINTS_SELECT_INL_H_
