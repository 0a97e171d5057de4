// Per-target float maths of kernels/README.md "Float semantics": exp, erf, tanh, canonical NaNs, and row sums in 16 virtual
// lanes. math_reference.h is the same in plain C++; a sweep test compares every bit. Rows are walked in blocks of 16 floats
// (kVecs vectors), so lane i mod 16 never depends on the vector width.
#if defined(BITTERN_KERNELS_BASE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_BASE_MATH_INL_H_
#undef BITTERN_KERNELS_BASE_MATH_INL_H_
#else
#define BITTERN_KERNELS_BASE_MATH_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/base/hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<DF>;
using VF = hn::Vec<DF>;
using VI = hn::Vec<DI>;
using MF = hn::Mask<DF>;

constexpr size_t kBlock = 16;                      // virtual lanes
constexpr size_t kLanes = hn::MaxLanes(DF());      // real lanes
constexpr size_t kVecs = kBlock / kLanes;          // vectors a block

HWY_INLINE VF Canonical(VF x) {
  const DF d;
  return hn::IfThenElse(hn::Eq(x, x), x, hn::BitCast(d, hn::Set(DI(), 0x7fc00000)));
}

// 2^e for e in [-126, 127].
HWY_INLINE VF PowerOfTwo(VI e) {
  return hn::BitCast(DF(), hn::ShiftLeft<23>(hn::Add(e, hn::Set(DI(), 127))));
}

// exp(x) = ldexp(p, n) for x in [-104, 89].
struct ExpParts {
  VF p;
  VI n;
};

HWY_INLINE ExpParts ExpReduced(VF x) {
  const DF d;
  const DI di;
  const VF shifted = hn::MulAdd(x, hn::Set(d, 0x1.715476p+0f), hn::Set(d, 0x1.8p+23f));
  const VF n = hn::Sub(shifted, hn::Set(d, 0x1.8p+23f));
  VF r = hn::MulAdd(n, hn::Set(d, -0x1.62e43p-1f), x);
  r = hn::MulAdd(n, hn::Set(d, 0x1.05c61p-29f), r);
  VF p = hn::Set(d, 0x1.6a496p-10f);
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.1239ap-7f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.5558b4p-5f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.555492p-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.fffffcp-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return {p, hn::Sub(hn::BitCast(di, shifted), hn::Set(di, 0x4B400000))};
}

// exp(x); a NaN gives some float, to be replaced by the caller.
HWY_INLINE VF ExpOrAny(VF x) {
  const DF d;
  const ExpParts e = ExpReduced(hn::Min(hn::Max(x, hn::Set(d, -104.0f)), hn::Set(d, 89.0f)));
  const VI half = hn::ShiftRight<1>(e.n);
  return hn::Mul(hn::Mul(e.p, PowerOfTwo(half)), PowerOfTwo(hn::Sub(e.n, half)));
}

HWY_INLINE VF KeepNan(VF x, VF y) {
  return hn::IfThenElse(hn::Eq(x, x), y, hn::BitCast(DF(), hn::Set(DI(), 0x7fc00000)));
}

HWY_INLINE VF Exp(VF x) { return KeepNan(x, ExpOrAny(x)); }

HWY_INLINE VF Erf(VF x) {
  const DF d;
  const VF a = hn::Abs(x);
  const VF z = hn::Mul(x, x);
  VF p = hn::Set(d, -0x1.3a48e2p-11f);
  p = hn::MulAdd(p, z, hn::Set(d, 0x1.474a0ep-8f));
  p = hn::MulAdd(p, z, hn::Set(d, -0x1.b68e66p-6f));
  p = hn::MulAdd(p, z, hn::Set(d, 0x1.ce1ab4p-4f));
  p = hn::MulAdd(p, z, hn::Set(d, -0x1.8126e8p-2f));
  p = hn::MulAdd(p, z, hn::Set(d, 0x1.06eba6p-3f));
  const VF small = hn::MulAdd(p, x, x);
  const VF t = hn::Min(a, hn::Set(d, 4.0f));
  VF q = hn::Set(d, 0x1.9864fcp-13f);
  q = hn::MulAdd(q, t, hn::Set(d, -0x1.8d5c26p-9f));
  q = hn::MulAdd(q, t, hn::Set(d, 0x1.6b6bap-6f));
  q = hn::MulAdd(q, t, hn::Set(d, -0x1.a952fep-4f));
  q = hn::MulAdd(q, t, hn::Set(d, -0x1.464a52p-1f));
  q = hn::MulAdd(q, t, hn::Set(d, -0x1.20ab68p+0f));
  q = hn::MulAdd(q, t, hn::Set(d, -0x1.b83894p-13f));
  // q lies in [-17.4, 0]: no clamp, and one multiplication by 2^n is exact as exp's two are.
  const ExpParts e = ExpReduced(q);
  const VF large = hn::CopySign(hn::Sub(hn::Set(d, 1.0f), hn::Mul(e.p, PowerOfTwo(e.n))), x);
  return KeepNan(x, hn::IfThenElse(hn::Le(a, hn::Set(d, 0.921875f)), small, large));
}

HWY_INLINE VF Tanh(VF x) {
  const DF d;
  const VF a = hn::Abs(x);
  const VF z = hn::Mul(x, x);
  VF p = hn::Set(d, -0x1.75619ap-8f);
  p = hn::MulAdd(p, z, hn::Set(d, 0x1.5207b8p-6f));
  p = hn::MulAdd(p, z, hn::Set(d, -0x1.b83738p-5f));
  p = hn::MulAdd(p, z, hn::Set(d, 0x1.1106fcp-3f));
  p = hn::MulAdd(p, z, hn::Set(d, -0x1.555532p-2f));
  const VF small = hn::MulAdd(hn::Mul(p, z), a, a);
  const VF e = ExpOrAny(hn::Add(a, a));
  const VF one = hn::Set(d, 1.0f);
  const VF large = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one)));
  return KeepNan(x, hn::CopySign(hn::IfThenElse(hn::Le(a, hn::Set(d, 0.625f)), small, large), x));
}

// Lanes of vector v of a block that hold elements, where the block has `count` of them.
HWY_INLINE MF BlockMask(size_t v, size_t count) {
  return hn::FirstN(DF(), count > v * kLanes ? count - v * kLanes : 0);
}

// Copies the last `count` < 16 floats of a row into a whole block, the rest filled with `fill`.
HWY_INLINE void PadBlock(const float* HWY_RESTRICT x, size_t count, float fill, float* HWY_RESTRICT block) {
  for (size_t i = count; i < kBlock; ++i) block[i] = fill;
  memcpy(block, x, count * sizeof(float));
}

// Sum of the lanes of one vector in the order of the combine tree.
#if HWY_TARGET == HWY_SCALAR
template <class D>
HWY_INLINE float CombineLanes(D, hn::Vec<D> v) {
  return hn::GetLane(v);
}
#else
template <class D>
HWY_INLINE float CombineLanes(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) > 4) {
    const hn::Half<D> half;
    return CombineLanes(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    const hn::Vec<D> pair = hn::Add(v, hn::Shuffle1032(v));
    return hn::GetLane(hn::Add(pair, hn::Shuffle2301(pair)));
  }
}
#endif

// 16 virtual lanes.
struct LaneSum {
  VF lane[kVecs];

  HWY_INLINE LaneSum() {
    for (size_t v = 0; v < kVecs; ++v) lane[v] = hn::Zero(DF());
  }
  HWY_INLINE float Total() const {
    VF l[kVecs];
    for (size_t v = 0; v < kVecs; ++v) l[v] = lane[v];
    for (size_t step = kVecs / 2; step != 0; step /= 2) {
      for (size_t v = 0; v < step; ++v) l[v] = hn::Add(l[v], l[v + step]);
    }
    return CombineLanes(DF(), l[0]);
  }
};

// A loader gives the columns of a row in blocks: Load(column, y) a whole one, LoadTail(column, count, y) the last count < 16
// columns, with any value in the lanes past them. This one reads floats.
struct FloatRow {
  const float* x;

  HWY_INLINE void Load(size_t column, VF (&y)[kVecs]) const {
    for (size_t v = 0; v < kVecs; ++v) y[v] = hn::LoadU(DF(), x + column + v * kLanes);
  }
  HWY_INLINE void LoadTail(size_t column, size_t count, VF (&y)[kVecs]) const {
    HWY_ALIGN float block[kBlock];
    PadBlock(x + column, count, 0.0f, block);
    FloatRow{block}.Load(0, y);
  }
};

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
      sum.lane[v] = hn::Add(sum.lane[v], hn::IfThenElseZero(BlockMask(v, n - i), y[v]));
    }
  }
  return sum.Total();
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
      const VF diff = hn::IfThenElseZero(BlockMask(v, n - i), hn::Sub(y[v], center));
      squares.lane[v] = hn::MulAdd(diff, diff, squares.lane[v]);
    }
  }
  return {mean, ReciprocalDeviation(squares.Total() / count, epsilon)};
}

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
      y[v] = Normalise(y[v], mean, rstd, hn::LoadU(d, g + v * kLanes), hn::LoadU(d, b + v * kLanes));
    }
  }
};

// Bit i = lane i of the 16 lanes of a block.
HWY_INLINE uint64_t BlockBits(const MF (&mask)[kVecs]) {
  uint64_t bits = 0;
  for (size_t v = 0; v < kVecs; ++v) {
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(DF(), mask[v], bytes);
    uint64_t lane_bits;
    memcpy(&lane_bits, bytes, sizeof(lane_bits));
    bits |= lane_bits << (v * kLanes);
  }
  return bits;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_BASE_MATH_INL_H_
