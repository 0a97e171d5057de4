// Popcounts with channels in lanes, shared by the Highway kernels that count
// bits: a 32-bit lane holds 32 k of one channel, and its four bytes count on
// their own until they are widened (every 31 steps: 31 * 8 = 248 < 256).
#if defined(BITTERN_KERNELS_GEMM_COUNT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_GEMM_COUNT_INL_H_
#undef BITTERN_KERNELS_GEMM_COUNT_INL_H_
#else
#define BITTERN_KERNELS_GEMM_COUNT_INL_H_
#endif

#include "kernels/base/hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using CountD = hn::ScalableTag<uint32_t>;
using CountV = hn::Vec<CountD>;
constexpr size_t kCountLanes = hn::MaxLanes(CountD());

// Popcounts of the four bytes of each lane; a target with one lane counts the
// lane at once.
HWY_INLINE CountV CountBytes(CountV x) {
#if HWY_TARGET == HWY_SCALAR
  return hn::PopulationCount(x);
#else
  const hn::Repartition<uint8_t, CountD> d8;
  return hn::BitCast(CountD(), hn::PopulationCount(hn::BitCast(d8, x)));
#endif
}

HWY_INLINE CountV AddCounts(CountV a, CountV b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Add(a, b);
#else
  const hn::Repartition<uint8_t, CountD> d8;
  return hn::BitCast(CountD(), hn::Add(hn::BitCast(d8, a), hn::BitCast(d8, b)));
#endif
}

// Sum of the four byte counts of each lane.
HWY_INLINE CountV WidenCounts(CountV x) {
#if HWY_TARGET == HWY_SCALAR
  return x;
#else
  const CountD d;
  const CountV pairs =
      hn::Add(hn::And(x, hn::Set(d, 0x00FF00FFu)),
              hn::And(hn::ShiftRight<8>(x), hn::Set(d, 0x00FF00FFu)));
  return hn::Add(hn::ShiftRight<16>(pairs),
                 hn::And(pairs, hn::Set(d, 0xFFFFu)));
#endif
}

struct CountTile {  // four vectors of channels: of weights for 32 k, or of one
                    // row's counts
  CountV c0, c1, c2, c3;
};

HWY_INLINE CountTile Zeros() {
  const CountV zero = hn::Zero(CountD());
  return {zero, zero, zero, zero};
}

HWY_INLINE CountTile LoadWeights(const uint32_t* w) {
  const CountD d;
  return {hn::LoadU(d, w), hn::LoadU(d, w + kCountLanes),
          hn::LoadU(d, w + 2 * kCountLanes), hn::LoadU(d, w + 3 * kCountLanes)};
}

HWY_INLINE void Widen(const CountTile& bytes, CountTile& sum) {
  sum.c0 = hn::Add(sum.c0, WidenCounts(bytes.c0));
  sum.c1 = hn::Add(sum.c1, WidenCounts(bytes.c1));
  sum.c2 = hn::Add(sum.c2, WidenCounts(bytes.c2));
  sum.c3 = hn::Add(sum.c3, WidenCounts(bytes.c3));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_GEMM_COUNT_INL_H_
