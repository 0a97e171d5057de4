// Per-target row sums of kernels/README.md "Float semantics", in 16 virtual
// lanes. The caller says through a loader where the columns of a row come from.
#if defined(BITTERN_KERNELS_BASE_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_BASE_LANES_INL_H_
#undef BITTERN_KERNELS_BASE_LANES_INL_H_
#else
#define BITTERN_KERNELS_BASE_LANES_INL_H_
#endif

#include "kernels/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

// A loader gives the columns of a row in blocks: Load(column, y) a whole one,
// LoadTail(column, count, y) the last count < 16 columns, with any value in the
// lanes past them. This one reads floats.
struct FloatRow {
  const float* x;

  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    for (size_t v = 0; v < kVecs; ++v)
      y[v] = hn::LoadU(DF(), x + column + v * kLanes);
  }
  HWY_INLINE void LoadTail(size_t column, size_t count, VF (&y)[kVecs]) const {
    LoadPart(x + column, count, y);
  }
};

// 16 virtual lanes.
struct LaneSum {
  VF lane[kVecs];

  HWY_INLINE LaneSum() {
    for (size_t v = 0; v < kVecs; ++v) lane[v] = hn::Zero(DF());
  }
  // The first steps of the combine tree, down to one vector.
  HWY_INLINE VF Folded() const {
    VF l[kVecs];
    for (size_t v = 0; v < kVecs; ++v) l[v] = lane[v];
    for (size_t step = kVecs / 2; step != 0; step /= 2) {
      for (size_t v = 0; v < step; ++v) l[v] = hn::Add(l[v], l[v + step]);
    }
    return l[0];
  }
};

#if HWY_TARGET == HWY_SCALAR
HWY_INLINE float Total(const LaneSum& sum) { return hn::GetLane(sum.Folded()); }
#else
using DF4 = hn::CappedTag<float, 4>;

// Further steps, down to four lanes.
template <class D>
HWY_INLINE hn::Vec<DF4> FoldTo4(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) > 4) {
    const hn::Half<D> half;
    return FoldTo4(half,
                   hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    return v;
  }
}

HWY_INLINE float Total(const LaneSum& sum) {
  const auto v = FoldTo4(DF(), sum.Folded());
  const auto pair = hn::Add(v, hn::Shuffle1032(v));
  return hn::GetLane(hn::Add(pair, hn::Shuffle2301(pair)));
}
#endif

template <class Loader>
HWY_INLINE LaneSum SumLanes(const Loader& row, size_t n) {
  LaneSum sum;
  VF y[kVecs];
  size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    row.Load(i, y);
    for (size_t v = 0; v < kVecs; ++v) sum.lane[v] = hn::Add(sum.lane[v], y[v]);
  }
  if (i < n) {
    row.LoadTail(i, n - i, y);
    for (size_t v = 0; v < kVecs; ++v) {
      sum.lane[v] =
          hn::Add(sum.lane[v], hn::IfThenElseZero(BlockMask(v, n - i), y[v]));
    }
  }
  return sum;
}

// The 16 lanes that an epilogue left in memory.
HWY_INLINE LaneSum LoadLanes(const float* lanes) {
  LaneSum sum;
  FloatRow{lanes}.Load(0, sum.lane);
  return sum;
}

template <class Loader>
HWY_INLINE float RowSum(const Loader& row, size_t n) {
  return Total(SumLanes(row, n));
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_BASE_LANES_INL_H_
