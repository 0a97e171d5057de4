// Plain loops that define what every depthwise kernel computes; floats by one
// chain of fused multiply-adds over (kh, kw), padding taps as zeros.
#include <cmath>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/conv/depthwise_kernels.h"

namespace bittern::kernels {
namespace {

// Calls fn(r, c, tap, inside, pixel) for every pixel, channel and tap in order.
template <class Fn>
void ForTaps(const DepthwiseArgs& args, Fn fn) {
  const ConvAxis &h = args.geometry->h, &w = args.geometry->w;
  for (size_t r = 0; r < args.count; ++r) {
    const size_t oy = (args.pixel + r) / w.out, ox = (args.pixel + r) % w.out;
    for (size_t c = 0; c < args.geometry->ic; ++c) {
      for (size_t tap = 0; tap < h.kernel * w.kernel; ++tap) {
        // Past the end where it would be negative, too.
        const size_t y = oy * h.stride + tap / w.kernel * h.dilation - h.pad,
                     x = ox * w.stride + tap % w.kernel * w.dilation - w.pad;
        fn(r, c, tap, y < h.in && x < w.in, y * w.in + x);
      }
    }
  }
}

void RunF32(const DepthwiseArgs& args) noexcept {
  const auto* w = static_cast<const float*>(args.filters);
  const auto* image = static_cast<const uint8_t*>(args.image->data);
  auto* strip = static_cast<float*>(args.strip);
  ForTaps(args, [&](size_t r, size_t c, size_t tap, bool inside, size_t pixel) {
    float x = 0;
    if (inside) {
      std::memcpy(&x,
                  image + static_cast<ptrdiff_t>(pixel) * args.image->stride +
                      c * sizeof(x),
                  sizeof(x));
    }
    float& sum = strip[r * args.strip_stride + c];
    sum = std::fma(x, w[tap * args.geometry->ic + c], tap == 0 ? 0.0f : sum);
  });
}

void RunBytes(const DepthwiseArgs& args) noexcept {
  const auto* w = static_cast<const int32_t*>(args.filters);
  const auto* image = static_cast<const uint8_t*>(args.image->data);
  auto* strip = static_cast<int32_t*>(args.strip);
  ForTaps(args, [&](size_t r, size_t c, size_t tap, bool inside, size_t pixel) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(pixel) * args.image->stride +
                         static_cast<ptrdiff_t>(c);
    const uint8_t byte = inside ? image[at] : args.image->pad;
    int32_t& sum = strip[r * args.strip_stride + c];
    sum = (tap == 0 ? 0 : sum) +
          ByteValue(args.activations, byte) * w[tap * args.geometry->ic + c];
  });
}

void RunBits(const DepthwiseArgs& args) noexcept {
  const auto* w = static_cast<const uint64_t*>(args.filters);
  const size_t words = GroupWords(args.geometry->ic);
  auto* strip = static_cast<int32_t*>(args.strip);
  ForTaps(args, [&](size_t r, size_t c, size_t tap, bool inside, size_t pixel) {
    const int code = inside ? CodeAt(args.image->planes, pixel, c) : 0;
    const bool plus = (w[tap * words + c / 64] >> (c % 64) & 1) != 0;
    int32_t& sum = strip[r * args.strip_stride + c];
    sum = (tap == 0 ? 0 : sum) + (plus ? code : -code);
  });
}

constexpr DepthwiseKernel kKernels[] = {
    {"f32/depthwise/reference", kNone, &FloatTaps, &LaneFilterBytes,
     &PackFloatLanes, &RunF32, 0.2, true},
    {"codes/depthwise/reference", kNone, &ByteTaps, &LaneFilterBytes,
     &PackIntegerLanes, &RunBytes, 0.2, true},
    {"w1a1/depthwise/reference", kNone, &BitTaps, &BitFilterBytes,
     &PackBitLanes, &RunBits, 0.2, true},
};

}  // namespace

std::span<const DepthwiseKernel> DepthwiseReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
