// What the per-target files of attention share: counting bits in 32-bit lanes.
// Bits are counted in bytes, at most 31 words of 8 a byte before widening.
#if defined(BITTERN_KERNELS_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BITTERN_KERNELS_ATTENTION_INL_H_
#undef BITTERN_KERNELS_ATTENTION_INL_H_
#else
#define BITTERN_KERNELS_ATTENTION_INL_H_
#endif

#include "kernels/base/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {

using DU = hn::RebindToUnsigned<DF>;
using VU = hn::Vec<DU>;

// Population counts of 32-bit lanes, summed over at most kBytesBeforeWiden
// vectors.
constexpr size_t kBytesBeforeWiden = 31;
#if HWY_TARGET == HWY_SCALAR
struct BitCounter {
  VU sum;

  HWY_INLINE BitCounter() : sum(hn::Zero(DU())) {}
  HWY_INLINE void Add(VU x) { sum = hn::Add(sum, hn::PopulationCount(x)); }
  HWY_INLINE VI Total() const { return hn::BitCast(DI(), sum); }
};
#else
struct BitCounter {
  using D8 = hn::Repartition<uint8_t, DU>;
  using D16 = hn::Repartition<uint16_t, DU>;
  hn::Vec<D8> sum;

  HWY_INLINE BitCounter() : sum(hn::Zero(D8())) {}
  HWY_INLINE void Add(VU x) {
    sum = hn::Add(sum, hn::PopulationCount(hn::BitCast(D8(), x)));
  }
  HWY_INLINE VI Total() const {
    const D16 d16;
    const DU du;
    const auto bytes = hn::BitCast(d16, sum);
    const VU pairs = hn::BitCast(du, hn::Add(hn::And(bytes, hn::Set(d16, 0xFF)),
                                             hn::ShiftRight<8>(bytes)));
    return hn::BitCast(DI(), hn::Add(hn::And(pairs, hn::Set(du, 0xFFFF)),
                                     hn::ShiftRight<16>(pairs)));
  }
};
#endif

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // BITTERN_KERNELS_ATTENTION_INL_H_
