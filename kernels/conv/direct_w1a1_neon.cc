// Direct 1-bit convolution on NEON: eor, cnt, add on bytes, a tile of 4 pixels
// x 16 channels in registers.
//   strip[row][j] = valid - 2 * popcount((a ^ w[j]) & v) over the taps
//   (no zero in any window: the mask drops out)
// Filters: packed[t][tap][i][j] of direct_kernels.h, 64 channels a tile, of
// which 16 are walked at a time. Range: a byte counts at most 31 * 8 = 248
// between widenings, a 32-bit lane at most k mismatches, k <= 2^30.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "hwy/base.h"
#include "kernels/conv/direct_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 64;
constexpr size_t kPanel = 16;
constexpr size_t kMr = 4;
constexpr size_t kStepBytes = sizeof(uint32_t);
constexpr size_t kFilterBytes = kNr * sizeof(uint32_t);
constexpr size_t kMaxSteps = 31;  // between widenings

struct Tile {  // 16 channels x 4 bytes of k: of the filters, or of one pixel's
               // counts
  uint8x16_t c0, c1, c2, c3;
};

struct Sums {  // 16 channels
  uint32x4_t c0, c1, c2, c3;
};

HWY_INLINE Tile NoCounts() {
  const uint8x16_t zero = vdupq_n_u8(0);
  return {zero, zero, zero, zero};
}

HWY_INLINE Tile LoadFilters(const uint8_t* w) {
  return {vld1q_u8(w), vld1q_u8(w + 16), vld1q_u8(w + 32), vld1q_u8(w + 48)};
}

HWY_INLINE uint8x16_t Broadcast(const uint8_t* p) {
  uint32_t word;
  __builtin_memcpy(&word, p, sizeof(word));
  return vreinterpretq_u8_u32(vdupq_n_u32(word));
}

template <bool kMasked>
HWY_INLINE uint8x16_t Count(uint8x16_t count, uint8x16_t w, uint8x16_t a,
                            uint8x16_t valid) {
  const uint8x16_t x = veorq_u8(w, a);
  return vaddq_u8(count, vcntq_u8(kMasked ? vandq_u8(x, valid) : x));
}

template <bool kMasked>
HWY_INLINE void Step(const Tile& w, const uint8_t* sign, ptrdiff_t valid_after,
                     Tile& counts) {
  const uint8x16_t a = Broadcast(sign);
  const uint8x16_t v = kMasked ? Broadcast(sign + valid_after) : a;
  counts.c0 = Count<kMasked>(counts.c0, w.c0, a, v);
  counts.c1 = Count<kMasked>(counts.c1, w.c1, a, v);
  counts.c2 = Count<kMasked>(counts.c2, w.c2, a, v);
  counts.c3 = Count<kMasked>(counts.c3, w.c3, a, v);
}

HWY_INLINE void Widen(Tile& counts, Sums& sums) {
  sums.c0 = vpadalq_u16(sums.c0, vpaddlq_u8(counts.c0));
  sums.c1 = vpadalq_u16(sums.c1, vpaddlq_u8(counts.c1));
  sums.c2 = vpadalq_u16(sums.c2, vpaddlq_u8(counts.c2));
  sums.c3 = vpadalq_u16(sums.c3, vpaddlq_u8(counts.c3));
  counts = NoCounts();
}

HWY_INLINE int32x4_t Dot(uint32x4_t mismatches, int32x4_t valid) {
  return vmlsq_n_s32(valid, vreinterpretq_s32_u32(mismatches), 2);
}

HWY_INLINE void StorePixel(const Sums& sums, const DirectArgs& args,
                           const DirectPixel& pixel, size_t panel) {
  const int32x4_t valid = vdupq_n_s32(pixel.valid);
  int32_t* strip = args.strip + pixel.row * args.strip_stride + panel;
  vst1q_s32(strip, Dot(sums.c0, valid));
  vst1q_s32(strip + 4, Dot(sums.c1, valid));
  vst1q_s32(strip + 8, Dot(sums.c2, valid));
  vst1q_s32(strip + 12, Dot(sums.c3, valid));
}

// `chunk` steps at a time, of about equal size, between tests of the range.
template <bool kMasked, size_t kPixels>
void Block(const DirectArgs& args, const DirectPixel* pixels, size_t panel,
           size_t chunk) {
  const uint32x4_t zero = vdupq_n_u32(0);
  Sums s0{zero, zero, zero, zero}, s1 = s0, s2 = s0, s3 = s0;
  Tile c0 = NoCounts(), c1 = c0, c2 = c0, c3 = c0;
  const uint8_t *a0 = args.image + pixels[0].at,
                *a1 = args.image + pixels[kPixels > 1 ? 1 : 0].at,
                *a2 = args.image + pixels[kPixels > 2 ? 2 : 0].at,
                *a3 = args.image + pixels[kPixels > 3 ? 3 : 0].at;
  const ptrdiff_t valid = args.valid_after;
  const auto widen = [&] {
    Widen(c0, s0);
    if constexpr (kPixels > 1) Widen(c1, s1);
    if constexpr (kPixels > 2) Widen(c2, s2);
    if constexpr (kPixels > 3) Widen(c3, s3);
  };
  size_t used = 0;
  for (size_t y = 0; y < args.rows; ++y) {
    for (size_t x = 0; x < args.runs; ++x) {
      const uint8_t* w = args.filters + y * args.filter_row +
                         x * args.filter_run + panel * sizeof(uint32_t);
      ptrdiff_t at = static_cast<ptrdiff_t>(y) * args.image_row +
                     static_cast<ptrdiff_t>(x) * args.image_run;
      size_t left = args.steps;
      do {
        size_t n = left < chunk ? left : chunk;
        left -= n;
        if (used + n > kMaxSteps) {
          widen();
          used = 0;
        }
        used += n;
        do {
          const Tile filters = LoadFilters(w);
          Step<kMasked>(filters, a0 + at, valid, c0);
          if constexpr (kPixels > 1) Step<kMasked>(filters, a1 + at, valid, c1);
          if constexpr (kPixels > 2) Step<kMasked>(filters, a2 + at, valid, c2);
          if constexpr (kPixels > 3) Step<kMasked>(filters, a3 + at, valid, c3);
          w += kFilterBytes;
          at += kStepBytes;
        } while (--n != 0);
      } while (left != 0);
    }
  }
  widen();
  StorePixel(s0, args, pixels[0], panel);
  if constexpr (kPixels > 1) StorePixel(s1, args, pixels[1], panel);
  if constexpr (kPixels > 2) StorePixel(s2, args, pixels[2], panel);
  if constexpr (kPixels > 3) StorePixel(s3, args, pixels[3], panel);
}

template <size_t kPixels>
void BlockOf(const DirectArgs& args, const DirectPixel* pixels, size_t chunk) {
  for (size_t panel = 0; panel < args.cols; panel += kPanel) {
    args.masked ? Block<true, kPixels>(args, pixels, panel, chunk)
                : Block<false, kPixels>(args, pixels, panel, chunk);
  }
}

void Run(const DirectArgs& args) noexcept {
  const size_t chunks = (args.steps + kMaxSteps - 1) / kMaxSteps;
  const size_t chunk = (args.steps + chunks - 1) / chunks;
  const DirectPixel* pixels = args.pixels;
  size_t left = args.count;
  for (; left >= kMr; left -= kMr, pixels += kMr)
    BlockOf<kMr>(args, pixels, chunk);
  switch (left) {
    case 3:
      return BlockOf<3>(args, pixels, chunk);
    case 2:
      return BlockOf<2>(args, pixels, chunk);
    case 1:
      return BlockOf<1>(args, pixels, chunk);
    default:
      return;
  }
}

void Pack(const void* canonical, size_t n, size_t taps, size_t ic,
          void* packed) noexcept {
  PackFilterWords(canonical, n, taps, ic, kNr, packed);
}

// Counted for two 128-bit pipes: three instructions a 128-bit step.
constexpr DirectKernel kKernels[] = {
    {"w1a1/direct/neon", kNeon, kNr, 32, kStepBytes, kFilterBytes,
     size_t{1} << 30, &Pack, nullptr, nullptr, &Run, kPanel, "w1a1/cnt/neon", 4,
     false},
};

}  // namespace

std::span<const DirectKernel> DirectW1A1Neon(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels

#endif  // AArch64
