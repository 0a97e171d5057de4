// Peak loops that exist on every Highway target: fused multiply-add, and xor +
// byte popcount + add. Ten chains of fma: two units of latency 4 need eight;
// the popcount chains are adds of latency 1. The emulated targets have no
// registers to speak of and no loop.
#include "kernels/base/peak_loops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/base/peak_hwy.cc"
#include "hwy/foreach_target.h"
#include "kernels/base/hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

std::span<const PeakLoop> PeakList() { return {}; }

#else
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;
using DB = hn::ScalableTag<uint8_t>;

using VF = hn::Vec<DF>;
using VB = hn::Vec<DB>;

HWY_INLINE VF Opaque(VF x) {
  BITTERN_OPAQUE(x.raw);
  return x;
}

HWY_INLINE void Fma(VF a, VF w, VF& sum) { sum = hn::MulAdd(sum, a, w); }

void RunFma(size_t iterations) noexcept {
  const DF d;
  const VF a = Opaque(hn::Set(d, 0.5f)),
           w = Opaque(hn::Set(d, 0.5f));  // the sums stay near 1
  VF s0 = Opaque(w), s1 = Opaque(w), s2 = Opaque(w), s3 = Opaque(w),
     s4 = Opaque(w);
  VF s5 = Opaque(w), s6 = Opaque(w), s7 = Opaque(w), s8 = Opaque(w),
     s9 = Opaque(w);
  for (size_t i = 0; i < iterations; ++i) {
    Fma(a, w, s0);
    Fma(a, w, s1);
    Fma(a, w, s2);
    Fma(a, w, s3);
    Fma(a, w, s4);
    Fma(a, w, s5);
    Fma(a, w, s6);
    Fma(a, w, s7);
    Fma(a, w, s8);
    Fma(a, w, s9);
  }
  VF sum = hn::Add(hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)),
                           hn::Add(hn::Add(s4, s5), hn::Add(s6, s7))),
                   hn::Add(s8, s9));
  BITTERN_OPAQUE(sum.raw);
}

HWY_INLINE void CountBits(VB& a, VB w, VB& count) {
  BITTERN_OPAQUE(a.raw);
  count = hn::Add(count, hn::PopulationCount(hn::Xor(w, a)));
}

void RunPopcount(size_t iterations) noexcept {
  const DB d;
  const VB w = hn::Set(d, uint8_t{0x5A});
  VB a = hn::Zero(d), c0 = a, c1 = a, c2 = a, c3 = a;
  for (size_t i = 0; i < iterations; ++i) {
    CountBits(a, w, c0);
    CountBits(a, w, c1);
    CountBits(a, w, c2);
    CountBits(a, w, c3);
  }
  VB sum = hn::Add(hn::Add(c0, c1), hn::Add(c2, c3));
  BITTERN_OPAQUE(sum.raw);
}

}  // namespace

std::span<const PeakLoop> PeakList() {
  static constexpr PeakLoop kLoops[] = {
      {"f32/fma", BITTERN_HWY_ISA, 10.0 * hn::MaxLanes(DF()), &RunFma},
      {"w1a1/popcount", BITTERN_HWY_ISA, 4.0 * 8 * hn::MaxLanes(DB()),
       &RunPopcount},
  };
  return kLoops;
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(PeakList);
std::span<const PeakLoop> HwyPeakLoops(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(PeakList, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
