// Convolution of scaled channels on NEON: the taps of a channel by products of
// 16 bits, which hold their sum (TakesScaled), then a fused multiply-add by the
// channel's scale; a tile of 4 pixels x 8 channels in registers.
#if defined(__aarch64__)

#include "hwy/base.h"
#include "kernels/conv/quads_neon-inl.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 16;
constexpr size_t kTileBytes = kNr * kQuad;  // weights of a line

struct Quad {  // weights of a line, by tap
  int16x8_t t0, t1, t2, t3;
};

HWY_INLINE Quad Load(const int8_t* w) {
  const int8x8x4_t bytes = vld4_s8(w);
  return {vmovl_s8(bytes.val[0]), vmovl_s8(bytes.val[1]),
          vmovl_s8(bytes.val[2]), vmovl_s8(bytes.val[3])};
}

HWY_INLINE void Add(const uint8_t* quad, const Quad& w, int16x8_t& taps) {
  taps = vmlaq_n_s16(taps, w.t0, quad[0]);
  taps = vmlaq_n_s16(taps, w.t1, quad[1]);
  taps = vmlaq_n_s16(taps, w.t2, quad[2]);
  taps = vmlaq_n_s16(taps, w.t3, quad[3]);
}

struct Sums {  // 8 channels of a pixel
  float32x4_t lower, upper;
};

HWY_INLINE void Scale(int16x8_t taps, float32x4_t scale, Sums& sums) {
  sums.lower = vfmaq_f32(sums.lower,
                         vcvtq_f32_s32(vmovl_s16(vget_low_s16(taps))), scale);
  sums.upper = vfmaq_f32(sums.upper,
                         vcvtq_f32_s32(vmovl_s16(vget_high_s16(taps))), scale);
}

HWY_INLINE void Store(const Sums& sums, float* strip) {
  vst1q_f32(strip, sums.lower);
  vst1q_f32(strip + 4, sums.upper);
}

// Pixels that are not there repeat the last.
void Block(const ScaledArgs& args, size_t row, size_t count, size_t j) {
  const auto at = [&](size_t r) {
    return static_cast<ptrdiff_t>(row + (r < count ? r : count - 1)) *
           args.pixel;
  };
  const ptrdiff_t p0 = at(0), p1 = at(1), p2 = at(2), p3 = at(3);
  const int8_t* w = args.filters + j * kQuad;
  const float32x4_t zero = vdupq_n_f32(0);
  const int16x8_t none = vdupq_n_s16(0);
  Sums s0{zero, zero}, s1 = s0, s2 = s0, s3 = s0;
  for (size_t c = 0; c < args.channels; ++c) {
    int16x8_t t0 = none, t1 = none, t2 = none, t3 = none;
    for (size_t l = 0; l < args.lines; ++l, w += kTileBytes) {
      const Quad weights = Load(w);
      const uint8_t* quads = args.quads[l] + c * kQuad;
      Add(quads + p0, weights, t0);
      Add(quads + p1, weights, t1);
      Add(quads + p2, weights, t2);
      Add(quads + p3, weights, t3);
    }
    const float32x4_t scale = vdupq_n_f32(args.scale[c]);
    Scale(t0, scale, s0);
    Scale(t1, scale, s1);
    Scale(t2, scale, s2);
    Scale(t3, scale, s3);
  }
  float* strip = args.strip + row * args.strip_stride + j;
  const size_t stride = args.strip_stride;
  Store(s0, strip);
  if (count > 1) Store(s1, strip + stride);
  if (count > 2) Store(s2, strip + 2 * stride);
  if (count > 3) Store(s3, strip + 3 * stride);
}

void Run(const ScaledArgs& args) noexcept {
  for (size_t row = 0; row < args.rows; row += 4) {
    const size_t count = HWY_MIN(args.rows - row, size_t{4});
    Block(args, row, count, 0);
    Block(args, row, count, 8);
  }
}

constexpr ScaledKernel kKernels[] = {
    {"scaled/words/neon", kNeon, kNr, 4, false, &MakeQuads, &Run, 5, false},
};

}  // namespace

std::span<const ScaledKernel> ScaledNeon(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
#endif
