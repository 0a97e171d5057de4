// Convolution of scaled channels on NEON with the dot product instruction: one
// sdot for a quad of taps and 4 output channels, then scvtf and a fused
// multiply-add by the channel's scale; a tile of 4 pixels x 16 channels in
// registers. A 3x3 window takes 5 instructions where fp32 takes 9.
#if defined(__aarch64__)

#include "hwy/base.h"
#include "kernels/conv/quads_neon-inl.h"

HWY_PUSH_ATTRIBUTES("arch=armv8.2-a+dotprod")
namespace bittern::kernels {
namespace {

constexpr size_t kNr = 16;
constexpr size_t kTileBytes = kNr * kQuad;  // weights of a line

struct Taps {  // 16 channels of a pixel, integers
  int32x4_t c0, c1, c2, c3;
};

struct Sums {
  float32x4_t c0, c1, c2, c3;
};

HWY_INLINE void Add(const uint8_t* quad, const int8_t* w, Taps& t) {
  const int8x16_t codes = vreinterpretq_s8_s32(
      vld1q_dup_s32(reinterpret_cast<const int32_t*>(quad)));
  t.c0 = vdotq_s32(t.c0, vld1q_s8(w), codes);
  t.c1 = vdotq_s32(t.c1, vld1q_s8(w + 16), codes);
  t.c2 = vdotq_s32(t.c2, vld1q_s8(w + 32), codes);
  t.c3 = vdotq_s32(t.c3, vld1q_s8(w + 48), codes);
}

HWY_INLINE void Scale(const Taps& t, float32x4_t scale, Sums& s) {
  s.c0 = vfmaq_f32(s.c0, vcvtq_f32_s32(t.c0), scale);
  s.c1 = vfmaq_f32(s.c1, vcvtq_f32_s32(t.c1), scale);
  s.c2 = vfmaq_f32(s.c2, vcvtq_f32_s32(t.c2), scale);
  s.c3 = vfmaq_f32(s.c3, vcvtq_f32_s32(t.c3), scale);
}

HWY_INLINE void Store(const Sums& s, float* strip) {
  vst1q_f32(strip, s.c0);
  vst1q_f32(strip + 4, s.c1);
  vst1q_f32(strip + 8, s.c2);
  vst1q_f32(strip + 12, s.c3);
}

// Pixels that are not there repeat the last.
void Block(const ScaledArgs& args, size_t row, size_t count) {
  const auto at = [&](size_t r) {
    return static_cast<ptrdiff_t>(row + (r < count ? r : count - 1)) *
           args.pixel;
  };
  const ptrdiff_t p0 = at(0), p1 = at(1), p2 = at(2), p3 = at(3);
  const int8_t* w = args.filters;
  const float32x4_t zero = vdupq_n_f32(0);
  const int32x4_t none = vdupq_n_s32(0);
  Sums s0{zero, zero, zero, zero}, s1 = s0, s2 = s0, s3 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    Taps t0{none, none, none, none}, t1 = t0, t2 = t0, t3 = t0;
    for (size_t l = 0; l < args.lines; ++l, w += kTileBytes) {
      const uint8_t* quads = args.quads[l] + c * kQuad;
      Add(quads + p0, w, t0);
      Add(quads + p1, w, t1);
      Add(quads + p2, w, t2);
      Add(quads + p3, w, t3);
    }
    const float32x4_t scale = vdupq_n_f32(args.scale[c]);
    Scale(t0, scale, s0);
    Scale(t1, scale, s1);
    Scale(t2, scale, s2);
    Scale(t3, scale, s3);
  }
  float* strip = args.strip + row * args.strip_stride;
  const size_t stride = args.strip_stride;
  Store(s0, strip);
  if (count > 1) Store(s1, strip + stride);
  if (count > 2) Store(s2, strip + 2 * stride);
  if (count > 3) Store(s3, strip + 3 * stride);
}

void Run(const ScaledArgs& args) noexcept {
  for (size_t row = 0; row < args.rows; row += 4)
    Block(args, row, HWY_MIN(args.rows - row, size_t{4}));
}

constexpr ScaledKernel kKernels[] = {
    {"scaled/dot/neondot", kNeon | kNeonDot, kNr, 4, true, &MakeQuads, &Run, 10,
     false},
};

}  // namespace

std::span<const ScaledKernel> ScaledNeonDot(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES
#endif
