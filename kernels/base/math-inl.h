// Per-target float maths of kernels/README.md "Float semantics": exp, erf,
// tanh and canonical NaNs; math_reference.h is the same in plain C++, and a
// sweep test compares every bit. Rows are walked in blocks of 16 floats (kVecs
// vectors), so that lane i mod 16 never depends on the vector width.
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

constexpr size_t kBlock = 16;                  // virtual lanes
constexpr size_t kLanes = hn::MaxLanes(DF());  // real lanes
constexpr size_t kVecs = kBlock / kLanes;      // vectors a block

HWY_INLINE VF Canonical(VF x) {
  const DF d;
  return hn::IfThenElse(hn::Eq(x, x), x,
                        hn::BitCast(d, hn::Set(DI(), 0x7fc00000)));
}

// 2^e for e in [-126, 127].
HWY_INLINE VF PowerOfTwo(VI e) {
  return hn::BitCast(DF(), hn::ShiftLeft<23>(hn::Add(e, hn::Set(DI(), 127))));
}

// exp(x) = ldexp(p, n) for x in [-104, 89]; shifted = n + bias + 0x4B400000.
struct ExpParts {
  VF p;
  VI shifted;
};

// The magic number 1.5 * 2^23 + bias leaves the nearest integer of x / ln 2 in
// the last bits; no x of the range lies halfway between two.
HWY_INLINE ExpParts ExpReduced(VF x, float bias) {
  const DF d;
  const VF magic = hn::Set(d, 0x1.8p+23f + bias);
  const VF shifted = hn::MulAdd(x, hn::Set(d, 0x1.715476p+0f), magic);
  const VF n = hn::Sub(shifted, magic);
  VF r = hn::MulAdd(n, hn::Set(d, -0x1.62e43p-1f), x);
  r = hn::MulAdd(n, hn::Set(d, 0x1.05c61p-29f), r);
  VF p = hn::Set(d, 0x1.6a496p-10f);
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.1239ap-7f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.5558b4p-5f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.555492p-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.fffffcp-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return {p, hn::BitCast(DI(), shifted)};
}

// exp(x); a NaN gives some float, to be replaced by the caller.
HWY_INLINE VF ExpOrAny(VF x) {
  const DF d;
  const ExpParts e = ExpReduced(
      hn::Min(hn::Max(x, hn::Set(d, -104.0f)), hn::Set(d, 89.0f)), 0);
  const VI n = hn::Sub(e.shifted, hn::Set(DI(), 0x4B400000));
  const VI half = hn::ShiftRight<1>(n);
  return hn::Mul(hn::Mul(e.p, PowerOfTwo(half)), PowerOfTwo(hn::Sub(n, half)));
}

// exp(x) for x in [-87, 88], where 2^n is a normal number: one multiplication
// then rounds as the two of ExpOrAny do. A NaN gives some NaN. The shift drops
// all of 0x4B400000.
HWY_INLINE VF ExpNormal(VF x) {
  const ExpParts e = ExpReduced(x, 127);
  return hn::Mul(e.p, hn::BitCast(DF(), hn::ShiftLeft<23>(e.shifted)));
}

HWY_INLINE VF KeepNan(VF x, VF y) {
  return hn::IfThenElse(hn::Eq(x, x), y,
                        hn::BitCast(DF(), hn::Set(DI(), 0x7fc00000)));
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
  // q lies in [-17.4, 0].
  const VF large = hn::CopySign(hn::Sub(hn::Set(d, 1.0f), ExpNormal(q)), x);
  return KeepNan(
      x, hn::IfThenElse(hn::Le(a, hn::Set(d, 0.921875f)), small, large));
}

// gelu(x) = relu(x) - a Q(a), a = |x| below 5.55, else 0; Q, the upper tail of
// the normal distribution, is half the square of a rational function. A NaN
// stays some NaN.
HWY_INLINE VF Gelu(VF x) {
  const DF d;
  const VF one = hn::Set(d, 1.0f);
  const VF magnitude = hn::Abs(x);
  const VF a =
      hn::IfThenElseZero(hn::Lt(magnitude, hn::Set(d, 5.55f)), magnitude);
  VF p = hn::Set(d, -0x1.5024fcp-8f);
  p = hn::MulAdd(p, a, hn::Set(d, 0x1.66e3b8p-4f));
  p = hn::MulAdd(p, a, hn::Set(d, -0x1.041242p-1f));
  p = hn::MulAdd(p, a, one);
  VF q = hn::Set(d, 0x1.03141ap-14f);
  q = hn::MulAdd(q, a, hn::Set(d, -0x1.070118p-13f));
  q = hn::MulAdd(q, a, hn::Set(d, 0x1.5bd232p-10f));
  q = hn::MulAdd(q, a, hn::Set(d, 0x1.9af366p-9f));
  q = hn::MulAdd(q, a, hn::Set(d, 0x1.c15deep-11f));
  q = hn::MulAdd(q, a, hn::Set(d, 0x1.faab9p-4f));
  q = hn::MulAdd(q, a, hn::Set(d, -0x1.be8028p-4f));
  q = hn::MulAdd(q, a, one);
  const VF r = hn::Div(p, q);
  const VF t = hn::Mul(hn::Mul(a, hn::Set(d, 0.5f)), r);
  return hn::NegMulAdd(t, r, hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x));
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
  return KeepNan(
      x, hn::CopySign(
             hn::IfThenElse(hn::Le(a, hn::Set(d, 0.625f)), small, large), x));
}

// x < lo gives lo, then a result > hi gives hi; a NaN stays.
HWY_INLINE VF Clip(VF x, VF lo, VF hi) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR
  // Of two zeros or with a NaN, these give the second operand.
  return hn::Min(hi, hn::Max(lo, x));
#else
  const VF raised = hn::IfThenElse(hn::Lt(x, lo), lo, x);
  return hn::IfThenElse(hn::Gt(raised, hi), hi, raised);
#endif
}

// x <= 0 gives +0; a NaN stays.
HWY_INLINE VF Relu(VF x) {
  return hn::IfThenZeroElse(hn::Le(x, hn::Zero(DF())), x);
}

// x < 0 gives fl(x * slope), else x.
HWY_INLINE VF PRelu(VF x, VF slope) {
  return hn::IfThenElse(hn::Lt(x, hn::Zero(DF())), hn::Mul(x, slope), x);
}

// Lanes of vector v of a block that hold elements, where the block has `count`
// of them.
HWY_INLINE MF BlockMask(size_t v, size_t count) {
  return hn::FirstN(DF(), count > v * kLanes ? count - v * kLanes : 0);
}

// Copies the last `count` < 16 floats of a row into a whole block, the rest
// filled with `fill`.
HWY_INLINE void PadBlock(const float* HWY_RESTRICT x, size_t count, float fill,
                         float* HWY_RESTRICT block) {
  for (size_t i = count; i < kBlock; ++i) block[i] = fill;
  memcpy(block, x, count * sizeof(float));
}

// The last `count` < 16 floats of a row as a block, +0 in the lanes past them.
// A masked load touches no memory behind them where the CPU has one; a copy
// costs a call and a load that waits for its stores.
HWY_INLINE void LoadPart(const float* x, size_t count, VF (&y)[kVecs]) {
  constexpr bool kMasked = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3;
  const DF d;
  HWY_ALIGN float block[kBlock];
  if constexpr (!kMasked) PadBlock(x, count, 0.0f, block);
  for (size_t v = 0; v < kVecs; ++v) {
    y[v] = kMasked ? hn::MaskedLoad(BlockMask(v, count), d, x + v * kLanes)
                   : hn::Load(d, block + v * kLanes);
  }
}

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
