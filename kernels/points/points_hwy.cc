// Clouds of points for every Highway target; lanes are points.
// Farthest: nearest[i] = min(nearest[i], |p_i - p_last|^2) and the place of the
// greatest, in one walk; every lane keeps its own first greatest, the lowest
// place among the lanes' wins.
// Neighbours: keys[q][i] = bits of |p_i - q|^2 (>= 0, so that integers compare
// as the floats do). Select: the k-th smallest of the minima of 64 groups
// (point i in group i mod 64) bounds the k-th smallest key from above, since k
// groups hold at least one key below; it is found by halving, one count a step.
// What lies below it (about k + k/4 of 1024 for k = 20) is ranked by comparing
// all with all.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/points/points_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/math-inl.h"
#include "kernels/points/points_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

constexpr size_t kGroupVecs = kPointGroup / kLanes;

HWY_INLINE VF Infinity() {
  return hn::BitCast(DF(), hn::Set(DI(), 0x7f800000));
}

// Of kLanes points from point i on.
HWY_INLINE VF SquaredDistances(const PointPlanes& points, size_t stride,
                               size_t i, const float* query, size_t step) {
  const DF d;
  const VF first = hn::Sub(hn::Load(d, points.data + i), hn::Set(d, query[0]));
  VF sum = hn::Mul(first, first);
  for (size_t c = 1; c < points.channels; ++c) {
    const VF delta = hn::Sub(hn::Load(d, points.data + c * stride + i),
                             hn::Set(d, query[c * step]));
    sum = hn::Add(sum, hn::Mul(delta, delta));
  }
  return sum;
}

// Infinitely far; a point that is not finite, and the padding, never wins.
void StartFarthest(const FarthestArgs& args, size_t stride) {
  const DF d;
  for (size_t i = 0; i < stride; i += kLanes) {
    auto finite = hn::Eq(hn::Zero(d), hn::Zero(d));
    for (size_t c = 0; c < args.points.channels; ++c) {
      const VF x = hn::Load(
          d, args.points.data + c * PlaneStride(args.points.count) + i);
      finite = hn::And(finite, hn::Lt(hn::Abs(x), Infinity()));
    }
    hn::Store(hn::IfThenElse(finite, Infinity(), hn::Neg(Infinity())), d,
              args.nearest + i);
  }
}

// The lowest place among the lanes that hold the greatest value.
size_t FirstGreatest(VF greatest, VI places) {
  HWY_ALIGN float values[kBlock];
  HWY_ALIGN int32_t at[kBlock];
  hn::Store(greatest, DF(), values);
  hn::Store(places, DI(), at);
  size_t best = 0;
  for (size_t lane = 1; lane < kLanes; ++lane) {
    if (values[lane] > values[best] ||
        (values[lane] == values[best] && at[lane] < at[best]))
      best = lane;
  }
  return static_cast<size_t>(at[best]);
}

void Farthest(const FarthestArgs& args) noexcept {
  const DF d;
  const DI di;
  const PointPlanes& points = args.points;
  const size_t stride = PaddedPoints(points.count);
  const size_t plane = PlaneStride(points.count);
  StartFarthest(args, stride);
  size_t last = args.start;
  args.indices[0] = static_cast<int64_t>(last);
  for (size_t n = 1; n < args.chosen; ++n) {
    VF greatest = hn::Neg(Infinity());
    VI places = hn::Iota(di, 0);
    VI place = places;
    for (size_t i = 0; i < stride; i += kLanes) {
      const VF square =
          SquaredDistances(points, plane, i, points.data + last, plane);
      const VF old = hn::Load(d, args.nearest + i);
      const VF nearest = hn::IfThenElse(hn::Lt(square, old), square, old);
      hn::Store(nearest, d, args.nearest + i);
      const auto larger = hn::Gt(nearest, greatest);
      greatest = hn::IfThenElse(larger, nearest, greatest);
      places = hn::IfThenElse(hn::RebindMask(di, larger), place, places);
      place = hn::Add(place, hn::Set(di, static_cast<int32_t>(kLanes)));
    }
    last = FirstGreatest(greatest, places);
    args.indices[n] = static_cast<int64_t>(last);
  }
}

// Calls fn(place) for each lane of `mask`, ascending; false as soon as fn is.
template <class D, class M, class Fn>
HWY_INLINE bool ForLanes(D d, M mask, size_t first, const Fn& fn) {
  if (HWY_LIKELY(hn::AllFalse(d, mask))) return true;
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  uint32_t bits = bytes[0] | static_cast<uint32_t>(bytes[1]) << 8;
  for (; bits != 0; bits &= bits - 1) {
    if (!fn(first + static_cast<size_t>(__builtin_ctz(bits)))) return false;
  }
  return true;
}

size_t InBall(const PointPlanes& points, const float* centre, float square,
              size_t most, int64_t* indices) noexcept {
  const DF d;
  const size_t stride = PaddedPoints(points.count);
  const size_t plane = PlaneStride(points.count);
  size_t found = 0;
  for (size_t i = 0; i < stride && found < most; i += kLanes) {
    const auto inside = hn::Le(SquaredDistances(points, plane, i, centre, 1),
                               hn::Set(d, square));
    const bool more = ForLanes(d, inside, i, [&](size_t place) HWY_ATTR {
      indices[found++] = static_cast<int64_t>(place);
      return found < most;
    });
    if (!more) break;
  }
  return found;
}

// Two vectors of points against kRows queries: 8 sums in registers.
constexpr size_t kRows = 4;

// 1, which the compiler must not know: x * 1 - y is x - y bit for bit, and
// multiplies where pipes of adders and of multipliers are apart (AMD), which
// have 3 operations each then instead of 4 and 2.
const volatile float kOne = 1.0f;

HWY_INLINE void KeysOfBlock(const DistanceArgs& args, size_t first, size_t i) {
  const DF d;
  const size_t channels = args.points.channels;
  const float* queries[kRows];  // those there are, the first for the others
  for (size_t q = 0; q < kRows; ++q) {
    const size_t row = first + q < args.query_count ? first + q : first;
    queries[q] = args.queries + row * channels;
  }
  VF sum[kRows][2];
  for (auto& row : sum) row[0] = row[1] = hn::Zero(d);
  const float* plane = args.points.data + i;
  const size_t stride = PlaneStride(args.points.count);
  const VF one = hn::Set(d, kOne);
  for (size_t c = 0; c < channels; ++c) {
    const VF x0 = hn::Load(d, plane), x1 = hn::Load(d, plane + kLanes);
    for (size_t q = 0; q < kRows; ++q) {
      const VF y = hn::Set(d, queries[q][c]);
      const VF d0 = hn::Sub(x0, y), d1 = hn::MulSub(x1, one, y);
      // +0 + square is the square: it is no negative zero.
      sum[q][0] = hn::Add(sum[q][0], hn::Mul(d0, d0));
      sum[q][1] = hn::Add(sum[q][1], hn::Mul(d1, d1));
    }
    plane += stride;
  }
  for (size_t q = 0; q < kRows && first + q < args.query_count; ++q) {
    int32_t* keys =
        args.keys + (first + q) * PaddedPoints(args.points.count) + i;
    hn::Store(hn::BitCast(DI(), Canonical(sum[q][0])), DI(), keys);
    hn::Store(hn::BitCast(DI(), Canonical(sum[q][1])), DI(), keys + kLanes);
  }
}

void DistanceKeys(const DistanceArgs& args) noexcept {
  const size_t stride = PaddedPoints(args.points.count);
  for (size_t part = 0; part < stride; part += kPointGroup) {
    for (size_t q = 0; q < args.query_count; q += kRows) {
      for (size_t i = part; i < part + kPointGroup; i += 2 * kLanes)
        KeysOfBlock(args, q, i);
    }
  }
  for (size_t q = 0; q < args.query_count; ++q) {
    for (size_t i = args.points.count; i < stride; ++i)
      args.keys[q * stride + i] = kPaddingKey;
  }
}

void ScoreKeys(const float* scores, size_t count, bool largest,
               int32_t* keys) noexcept {
  const DF d;
  const DI di;
  const VI flip = hn::Set(di, largest ? -1 : 0);
  const auto store = [&](const float* from, size_t to) HWY_ATTR {
    const VF x = hn::Add(hn::LoadU(d, from), hn::Zero(d));
    const VI bits = hn::BitCast(di, Canonical(x));
    const VI negative = hn::ShiftRight<31>(bits);  // all ones, or none
    const VI ordered =
        hn::Xor(bits, hn::And(negative, hn::Set(di, 0x7fffffff)));
    hn::Store(hn::Xor(ordered, flip), di, keys + to);
  };
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(scores + i, i);
  if (i < count) {
    HWY_ALIGN float rest[kBlock] = {};
    memcpy(rest, scores + i, (count - i) * sizeof(float));
    store(rest, i);
  }
  for (i = count; i < PaddedPoints(count); ++i) keys[i] = kPaddingKey;
}

HWY_INLINE size_t CountUpTo(const int32_t* keys, size_t count, int32_t bound) {
  const DI di;
  const VI limit = hn::Set(di, bound);
  size_t above = 0;
  for (size_t i = 0; i < count; i += kLanes)
    above += hn::CountTrue(di, hn::Gt(hn::Load(di, keys + i), limit));
  return count - above;
}

// A bound that at least k of the keys do not exceed: exactly k, or as few as
// ties allow.
int32_t UpperBound(const int32_t* keys, size_t count, size_t k) {
  const DI di;
  VI least = hn::Load(di, keys), most = least;
  for (size_t i = kLanes; i < count; i += kLanes) {
    const VI x = hn::Load(di, keys + i);
    least = hn::Min(least, x);
    most = hn::Max(most, x);
  }
  int64_t lo = hn::GetLane(hn::MinOfLanes(di, least));
  int64_t hi = hn::GetLane(hn::MaxOfLanes(di, most));
  while (lo < hi) {
    const int64_t middle = (lo + hi) >> 1;
    const size_t below = CountUpTo(keys, count, static_cast<int32_t>(middle));
    if (below == k) return static_cast<int32_t>(middle);
    if (below > k) {
      hi = middle;
    } else {
      lo = middle + 1;
    }
  }
  return static_cast<int32_t>(hi);
}

int32_t BoundOf(const SelectArgs& args, size_t stride) {
  const DI di;
  if (args.k > kPointGroup || stride == kPointGroup)
    return UpperBound(args.keys, stride, args.k);
  HWY_ALIGN int32_t minima[kPointGroup];
  for (size_t v = 0; v < kGroupVecs; ++v) {
    const int32_t* from = args.keys + v * kLanes;
    VI least = hn::Load(di, from);
    for (size_t i = kPointGroup; i < stride; i += kPointGroup)
      least = hn::Min(least, hn::Load(di, from + i));
    hn::Store(least, di, minima + v * kLanes);
  }
  return UpperBound(minima, kPointGroup, args.k);
}

// Bit i: key i of a group is at most the bound.
HWY_INLINE uint64_t BitsUpTo(const int32_t* keys, VI bound) {
  const DI di;
  uint64_t bits = 0;
  for (size_t v = 0; v < kGroupVecs; ++v) {
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(di, hn::Gt(hn::Load(di, keys + v * kLanes), bound),
                      bytes);
    const uint64_t above = bytes[0] | static_cast<uint64_t>(bytes[1]) << 8;
    bits |= above << (v * kLanes);
  }
  return ~bits;
}

// The ranks of `count` candidates, in their order by place: how many are less,
// or equal and before. Lanes are candidates; no branch depends on a key.
void Rank(const int32_t* keys, size_t count, int32_t* ranks) {
  const DI di;
  for (size_t i = 0; i < count; i += kLanes) {
    const VI key = hn::Load(di, keys + i);
    const VI place = hn::Iota(di, static_cast<int32_t>(i));
    VI rank = hn::Zero(di);
    for (size_t j = 0; j < count; ++j) {
      const VI before = hn::VecFromMask(
          di, hn::Gt(place, hn::Set(di, static_cast<int32_t>(j))));
      const auto less = hn::Gt(hn::Sub(key, before), hn::Set(di, keys[j]));
      rank = hn::Sub(rank, hn::VecFromMask(di, less));
    }
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
    uint64_t bits = BitsUpTo(args.keys + i, bound);
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

const PointsKernel* PointsHwyKernel() {
  static constexpr PointsKernel kKernel = {"points/hwy",  &Farthest,  &InBall,
                                           &DistanceKeys, &ScoreKeys, &Select,
                                           false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(PointsHwyKernel);

std::span<const PointsKernel> PointsHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(PointsHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
