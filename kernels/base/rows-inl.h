// Per-target row statistics of kernels/README.md "Float semantics": mean and
// deviation, LayerNorm, from the sums of lanes-inl.h.
#if defined(BITTERN_KERNELS_BASE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_BASE_ROWS_INL_H_
#undef BITTERN_KERNELS_BASE_ROWS_INL_H_
#else
#define BITTERN_KERNELS_BASE_ROWS_INL_H_
#endif

#include "kernels/base/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

HWY_INLINE float ReciprocalDeviation(float variance, float epsilon) {
  const hn::CappedTag<float, 1> d1;
  return 1.0f / hn::GetLane(hn::Sqrt(hn::Set(d1, variance + epsilon)));
}

struct RowMoments {
  float mean;
  float rstd;
};

// Mean and reciprocal standard deviation of a row, as LayerNorm defines them;
// lane_sums: the 16 lanes of its sum if they are known, or null.
template <class Loader>
HWY_INLINE RowMoments Moments(const Loader& row, size_t n, float epsilon,
                              const float* lane_sums = nullptr) {
  const float count = static_cast<float>(n);
  const float mean =
      (lane_sums != nullptr ? Total(LoadLanes(lane_sums)) : RowSum(row, n)) /
      count;
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
                         float epsilon, RowMoments* out,
                         const float* lane_sums = nullptr) {
  for (size_t r = 0; r < kMomentRows; ++r) {
    out[r] = Moments(rows[r], n, epsilon,
                     lane_sums != nullptr ? lane_sums + r * kBlock : nullptr);
  }
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

// Adds fn(y) to the lanes of each row, y a vector of it: fn(sum, r, y) returns
// the new sum. Whole blocks in a loop of their own: with the tail's test in it,
// the sums lived in memory, one store and load after the other.
template <class Loader, class Fn>
HWY_INLINE void Accumulate4(const Loader (&rows)[kMomentRows], size_t n,
                            LaneSum (&sum)[kMomentRows], const Fn& fn) {
  VF y[kVecs];
  size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    for (size_t r = 0; r < kMomentRows; ++r) {
      rows[r].Load(i, y);
      for (size_t v = 0; v < kVecs; ++v)
        sum[r].lane[v] = fn(sum[r].lane[v], r, y[v]);
    }
  }
  if (i == n) return;
  for (size_t r = 0; r < kMomentRows; ++r) {
    rows[r].LoadTail(i, n - i, y);
    for (size_t v = 0; v < kVecs; ++v) {
      sum[r].lane[v] = hn::IfThenElse(
          BlockMask(v, n - i), fn(sum[r].lane[v], r, y[v]), sum[r].lane[v]);
    }
  }
}

// lane_sums: those of the four rows, one after the other, or null.
template <class Loader>
HWY_INLINE void Moments4(const Loader (&rows)[kMomentRows], size_t n,
                         float epsilon, RowMoments* out,
                         const float* lane_sums = nullptr) {
  const DF4 d4;
  const auto count = hn::Set(d4, static_cast<float>(n));
  LaneSum sum[kMomentRows], squares[kMomentRows];
  VF center[kMomentRows];
  if (lane_sums == nullptr) {
    Accumulate4(rows, n, sum, [](VF total, size_t, VF y) HWY_ATTR {
      return hn::Add(total, y);
    });
  } else {
    for (size_t r = 0; r < kMomentRows; ++r)
      sum[r] = LoadLanes(lane_sums + r * kBlock);
  }
  HWY_ALIGN float mean[kMomentRows], rstd[kMomentRows];
  hn::Store(hn::Div(Totals(sum), count), d4, mean);
  for (size_t r = 0; r < kMomentRows; ++r) center[r] = hn::Set(DF(), mean[r]);
  Accumulate4(rows, n, squares, [&](VF total, size_t r, VF y) HWY_ATTR {
    const VF diff = hn::Sub(y, center[r]);
    return hn::MulAdd(diff, diff, total);
  });
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
