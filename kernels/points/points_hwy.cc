// Clouds of points for every Highway target; lanes are points.
// Farthest: nearest[i] = min(nearest[i], |p_i - p_last|^2) and the place of the
// greatest, in one walk; every lane keeps its own first greatest, the lowest
// place among the lanes' wins.
// Neighbours: keys[q][i] = bits of |p_i - q|^2 (>= 0, so that integers compare
// as the floats do); their selection: select-inl.h and candidates-inl.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/points/points_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/math-inl.h"
#include "kernels/points/candidates-inl.h"
#include "kernels/points/points_kernels.h"
#include "kernels/points/select-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

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
        args.keys + (first + q) * (args.end - args.begin) + i - args.begin;
    hn::Store(hn::BitCast(DI(), Canonical(sum[q][0])), DI(), keys);
    hn::Store(hn::BitCast(DI(), Canonical(sum[q][1])), DI(), keys + kLanes);
  }
}

void DistanceKeys(const DistanceArgs& args) noexcept {
  for (size_t part = args.begin; part < args.end; part += kPointGroup) {
    for (size_t q = 0; q < args.query_count; q += kRows) {
      for (size_t i = part; i < part + kPointGroup; i += 2 * kLanes)
        KeysOfBlock(args, q, i);
    }
  }
  for (size_t q = 0; q < args.query_count; ++q) {
    int32_t* keys = args.keys + q * (args.end - args.begin);
    for (size_t i = args.points.count; i < args.end; ++i)
      keys[i - args.begin] = kPaddingKey;
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

}  // namespace

const PointsKernel* PointsHwyKernel() {
  static constexpr PointsKernel kKernel = {
      "points/hwy", &Farthest,    &InBall,  &DistanceKeys, &ScoreKeys, &Select,
      &KeepRows,    &KeepColumns, &Nearest, &GroupBounds,  false};
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
