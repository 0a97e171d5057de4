// Per-target row statistics of kernels/README.md "Float semantics": sums in 16
// virtual lanes, mean and deviation, LayerNorm. The caller says through a
// loader where the columns of a row come from.
#if defined(BITTERN_KERNELS_BASE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_BASE_ROWS_INL_H_
#undef BITTERN_KERNELS_BASE_ROWS_INL_H_
#else
#define BITTERN_KERNELS_BASE_ROWS_INL_H_
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
    HWY_ALIGN float block[kBlock];
    PadBlock(x + column, count, 0.0f, block);
    FloatRow{block}.Load(0, y);
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
HWY_INLINE float RowSum(const Loader& row, size_t n) {
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
  return Total(sum);
}

HWY_INLINE float ReciprocalDeviation(float variance, float epsilon) {
  const hn::CappedTag<float, 1> d1;
  return 1.0f / hn::GetLane(hn::Sqrt(hn::Set(d1, variance + epsilon)));
}

struct RowMoments {
  float mean;
  float rstd;
};

// Mean and reciprocal standard deviation of a row, as LayerNorm defines them.
template <class Loader>
HWY_INLINE RowMoments Moments(const Loader& row, size_t n, float epsilon) {
  const float count = static_cast<float>(n);
  const float mean = RowSum(row, n) / count;
  const VF center = hn::Set(DF(), mean);
  LaneSum squares;
  VF y[kVecs];
  size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    row.Load(i, y);
    for (size_t v = 0; v < kVecs; ++v) {
      const VF diff = hn::Sub(y[v], center);
      squares.lane[v] = hn::MulAdd(diff, diff, squares.lane[v]);
    }
  }
  if (i < n) {
    row.LoadTail(i, n - i, y);
    for (size_t v = 0; v < kVecs; ++v) {
      const VF diff =
          hn::IfThenElseZero(BlockMask(v, n - i), hn::Sub(y[v], center));
      squares.lane[v] = hn::MulAdd(diff, diff, squares.lane[v]);
    }
  }
  return {mean, ReciprocalDeviation(Total(squares) / count, epsilon)};
}

// Moments of four rows at once: their chains of dependent additions overlap,
// and they share one tree, division and square root.
constexpr size_t kMomentRows = 4;

#if HWY_TARGET == HWY_SCALAR
template <class Loader>
HWY_INLINE void Moments4(const Loader (&rows)[kMomentRows], size_t n,
                         float epsilon, RowMoments* out) {
  for (size_t r = 0; r < kMomentRows; ++r)
    out[r] = Moments(rows[r], n, epsilon);
}
#else
// Lane r: the total of row r.
HWY_INLINE hn::Vec<DF4> Totals(const LaneSum (&sum)[kMomentRows]) {
  const DF4 d;
  const auto a = FoldTo4(DF(), sum[0].Folded()),
             b = FoldTo4(DF(), sum[1].Folded()),
             c = FoldTo4(DF(), sum[2].Folded()),
             e = FoldTo4(DF(), sum[3].Folded());
  const auto ab =
      hn::Add(hn::ConcatLowerLower(d, b, a), hn::ConcatUpperUpper(d, b, a));
  const auto ce =
      hn::Add(hn::ConcatLowerLower(d, e, c), hn::ConcatUpperUpper(d, e, c));
  return hn::Add(hn::ConcatEven(d, ce, ab), hn::ConcatOdd(d, ce, ab));
}

template <class Loader>
HWY_INLINE void Moments4(const Loader (&rows)[kMomentRows], size_t n,
                         float epsilon, RowMoments* out) {
  const DF4 d4;
  const auto count = hn::Set(d4, static_cast<float>(n));
  const size_t whole = n / kBlock * kBlock;
  LaneSum sum[kMomentRows], squares[kMomentRows];
  VF y[kVecs], center[kMomentRows];
  for (size_t i = 0; i < n; i += kBlock) {
    for (size_t r = 0; r < kMomentRows; ++r) {
      if (i < whole) {
        rows[r].Load(i, y);
      } else {
        rows[r].LoadTail(i, n - i, y);
        for (size_t v = 0; v < kVecs; ++v)
          y[v] = hn::IfThenElseZero(BlockMask(v, n - i), y[v]);
      }
      for (size_t v = 0; v < kVecs; ++v)
        sum[r].lane[v] = hn::Add(sum[r].lane[v], y[v]);
    }
  }
  HWY_ALIGN float mean[kMomentRows], rstd[kMomentRows];
  hn::Store(hn::Div(Totals(sum), count), d4, mean);
  for (size_t r = 0; r < kMomentRows; ++r) center[r] = hn::Set(DF(), mean[r]);
  for (size_t i = 0; i < n; i += kBlock) {
    for (size_t r = 0; r < kMomentRows; ++r) {
      i < whole ? rows[r].Load(i, y) : rows[r].LoadTail(i, n - i, y);
      for (size_t v = 0; v < kVecs; ++v) {
        VF diff = hn::Sub(y[v], center[r]);
        if (i >= whole) diff = hn::IfThenElseZero(BlockMask(v, n - i), diff);
        squares[r].lane[v] = hn::MulAdd(diff, diff, squares[r].lane[v]);
      }
    }
  }
  const auto variance = hn::Div(Totals(squares), count);
  const auto deviation = hn::Sqrt(hn::Add(variance, hn::Set(d4, epsilon)));
  hn::Store(hn::Div(hn::Set(d4, 1.0f), deviation), d4, rstd);
  for (size_t r = 0; r < kMomentRows; ++r) out[r] = {mean[r], rstd[r]};
}
#endif

// fma(fl(fl(x - mean) * rstd), gamma, beta)
HWY_INLINE VF Normalise(VF x, VF mean, VF rstd, VF gamma, VF beta) {
  return hn::MulAdd(hn::Mul(hn::Sub(x, mean), rstd), gamma, beta);
}

// LayerNorm of another loader's columns; gamma and beta start at its column 0.
template <class Loader>
struct NormedRow {
  Loader row;
  const float* gamma;
  const float* beta;
  RowMoments moments;

  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    row.Load(column, y);
    Apply(gamma + column, beta + column, y);
  }
  HWY_INLINE void LoadTail(size_t column, size_t count, VF (&y)[kVecs]) const {
    HWY_ALIGN float block[2][kBlock];
    PadBlock(gamma + column, count, 0.0f, block[0]);
    PadBlock(beta + column, count, 0.0f, block[1]);
    row.LoadTail(column, count, y);
    Apply(block[0], block[1], y);
  }
  HWY_INLINE void Apply(const float* g, const float* b, VF (&y)[kVecs]) const {
    const DF d;
    const VF mean = hn::Set(d, moments.mean), rstd = hn::Set(d, moments.rstd);
    for (size_t v = 0; v < kVecs; ++v) {
      y[v] = Normalise(y[v], mean, rstd, hn::LoadU(d, g + v * kLanes),
                       hn::LoadU(d, b + v * kLanes));
    }
  }
};

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_BASE_ROWS_INL_H_
