// Convolution of scaled channels on NEON with the dot product instruction: one
// sdot for a quad of taps and 4 output channels, then scvtf and a fused
// multiply-add by the channel's scale; a tile of 4 pixels x 16 channels in
// registers. A 3x3 window takes 5 instructions where fp32 takes 9.
#if defined(__aarch64__)

#include "hwy/base.h"
#include "kernels/conv/quads_neon-inl.h"

HWY_PUSH_ATTRIBUTES("arch=armv8.2-a+dotprod")

#include "kernels/conv/scaled_lines-inl.h"

namespace bittern::kernels {
namespace {

struct NeonDot {
  static constexpr size_t kNr = 16, kChannels = 16, kRows = 4;
  struct Weights {
    int8x16_t c0, c1, c2, c3;
  };
  struct Taps {
    int32x4_t c0, c1, c2, c3;
  };
  struct Sums {
    float32x4_t c0, c1, c2, c3;
  };
  using Scales = float32x4_t;

  static HWY_INLINE Taps NoTaps() {
    const int32x4_t zero = vdupq_n_s32(0);
    return {zero, zero, zero, zero};
  }
  static HWY_INLINE Sums NoSums() {
    const float32x4_t zero = vdupq_n_f32(0);
    return {zero, zero, zero, zero};
  }
  static HWY_INLINE Weights Load(const int8_t* w) {
    return {vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)};
  }
  static HWY_INLINE Scales Spread(float scale) { return vdupq_n_f32(scale); }
  static HWY_INLINE void Add(const uint8_t* quad, const Weights& w, Taps& t) {
    const int8x16_t codes = vreinterpretq_s8_s32(
        vld1q_dup_s32(reinterpret_cast<const int32_t*>(quad)));
    t.c0 = vdotq_s32(t.c0, w.c0, codes);
    t.c1 = vdotq_s32(t.c1, w.c1, codes);
    t.c2 = vdotq_s32(t.c2, w.c2, codes);
    t.c3 = vdotq_s32(t.c3, w.c3, codes);
  }
  static HWY_INLINE void Scale(const Taps& t, Scales scale, Sums& s) {
    s.c0 = vfmaq_f32(s.c0, vcvtq_f32_s32(t.c0), scale);
    s.c1 = vfmaq_f32(s.c1, vcvtq_f32_s32(t.c1), scale);
    s.c2 = vfmaq_f32(s.c2, vcvtq_f32_s32(t.c2), scale);
    s.c3 = vfmaq_f32(s.c3, vcvtq_f32_s32(t.c3), scale);
  }
  static HWY_INLINE void Store(const Sums& s, float* strip) {
    vst1q_f32(strip, s.c0);
    vst1q_f32(strip + 4, s.c1);
    vst1q_f32(strip + 8, s.c2);
    vst1q_f32(strip + 12, s.c3);
  }
};

constexpr ScaledKernel kKernels[] = {
    {"scaled/dot/neondot", kNeon | kNeonDot, NeonDot::kNr, NeonDot::kRows, true,
     &MakeQuads, &RunLines<NeonDot>, 10, false},
};

}  // namespace

std::span<const ScaledKernel> ScaledNeonDot(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
#endif
