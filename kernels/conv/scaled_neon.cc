// Convolution of scaled channels on NEON: the taps of a channel by products of
// 16 bits, which hold their sum (TakesScaled), then a fused multiply-add by the
// channel's scale; a tile of 4 pixels x 8 channels in registers.
#if defined(__aarch64__)

#include "kernels/conv/quads_neon-inl.h"
#include "kernels/conv/scaled_lines-inl.h"

namespace bittern::kernels {
namespace {

struct Neon {
  static constexpr size_t kNr = 16, kChannels = 8, kRows = 4;
  struct Weights {  // by tap
    int16x8_t t0, t1, t2, t3;
  };
  using Taps = int16x8_t;
  struct Sums {
    float32x4_t lower, upper;
  };
  using Scales = float32x4_t;

  static HWY_INLINE Taps NoTaps() { return vdupq_n_s16(0); }
  static HWY_INLINE Sums NoSums() { return {vdupq_n_f32(0), vdupq_n_f32(0)}; }
  static HWY_INLINE Weights Load(const int8_t* w) {
    const int8x8x4_t bytes = vld4_s8(w);
    return {vmovl_s8(bytes.val[0]), vmovl_s8(bytes.val[1]),
            vmovl_s8(bytes.val[2]), vmovl_s8(bytes.val[3])};
  }
  static HWY_INLINE Scales Spread(float scale) { return vdupq_n_f32(scale); }
  static HWY_INLINE void Add(const uint8_t* quad, const Weights& w,
                             Taps& taps) {
    taps = vmlaq_n_s16(taps, w.t0, quad[0]);
    taps = vmlaq_n_s16(taps, w.t1, quad[1]);
    taps = vmlaq_n_s16(taps, w.t2, quad[2]);
    taps = vmlaq_n_s16(taps, w.t3, quad[3]);
  }
  static HWY_INLINE void Scale(Taps taps, Scales scale, Sums& sums) {
    const int32x4_t lower = vmovl_s16(vget_low_s16(taps)),
                    upper = vmovl_s16(vget_high_s16(taps));
    sums.lower = vfmaq_f32(sums.lower, vcvtq_f32_s32(lower), scale);
    sums.upper = vfmaq_f32(sums.upper, vcvtq_f32_s32(upper), scale);
  }
  static HWY_INLINE void Store(const Sums& sums, float* strip) {
    vst1q_f32(strip, sums.lower);
    vst1q_f32(strip + 4, sums.upper);
  }
};

constexpr ScaledKernel kKernels[] = {
    {"scaled/words/neon", kNeon, Neon::kNr, Neon::kRows, false, &MakeQuads,
     &RunLines<Neon>, 5, false},
};

}  // namespace

std::span<const ScaledKernel> ScaledNeon(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
#endif
