// Depthwise convolution of floats and of byte codes in Highway: channels in
// lanes, taps ascending, so that a float output is one chain of fused
// multiply-adds. Four neighbouring pixels share the filter loads; taps in the
// padding read a block of zeros. Filters: packed[tap][channel]. Range: |byte|
// <= 255, |weight| <= 128, so int32 holds 65793 taps.
#include "kernels/base/bits.h"
#include "kernels/conv/depthwise_kernels.h"
#include "kernels/conv/window.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise_hwy.cc"
#include "hwy/foreach_target.h"
#include "kernels/base/hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// An element type: how channels are loaded and multiplied in the lanes of D.
struct Floats {
  using Lane = float;
  static constexpr size_t kBytes = 4;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const uint8_t* x) {
    return hn::LoadU(d, reinterpret_cast<const float*>(x));
  }
  template <class V>
  static HWY_INLINE V MulAdd(V x, V w, V sum) {
    return hn::MulAdd(x, w, sum);
  }
};

template <class Byte>
struct Bytes {
  using Lane = int32_t;
  static constexpr size_t kBytes = 1;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const uint8_t* x) {
    const hn::Rebind<Byte, D> bytes;
    return hn::PromoteTo(d, hn::LoadU(bytes, reinterpret_cast<const Byte*>(x)));
  }
  template <class V>
  static HWY_INLINE V MulAdd(V x, V w, V sum) {
    return hn::Add(hn::Mul(x, w), sum);
  }
};

// Four neighbouring pixels of one output row; the last repeats where there are
// fewer. Strides in bytes.
template <class Lane>
struct Window {
  const uint8_t* image;
  ptrdiff_t row, pixel;       // of the image
  ptrdiff_t y, step_h, in_h;  // input row of tap 0, to the next tap, rows
  ptrdiff_t x0, x1, x2, x3;   // input columns of tap 0 of each pixel
  ptrdiff_t step_w, in_w;
  size_t taps_h, taps_w;
  const uint8_t* pad;  // a tile of channels outside the image
  const Lane* w;       // tap 0
  size_t channels;
  Lane *s0, *s1, *s2, *s3;  // rows of the strip
};

template <class V>
struct Sums {  // of one pixel: 1, 2 or 4 vectors of channels
  V v0, v1, v2, v3;
};

template <class T, size_t kVecs, class D, class V = hn::Vec<D>>
HWY_INLINE void AddTap(D d, const uint8_t* x, const Sums<V>& w, Sums<V>& sum) {
  const size_t bytes = hn::MaxLanes(d) * T::kBytes;
  sum.v0 = T::MulAdd(T::Load(d, x), w.v0, sum.v0);
  if constexpr (kVecs > 1)
    sum.v1 = T::MulAdd(T::Load(d, x + bytes), w.v1, sum.v1);
  if constexpr (kVecs > 2) {
    sum.v2 = T::MulAdd(T::Load(d, x + 2 * bytes), w.v2, sum.v2);
    sum.v3 = T::MulAdd(T::Load(d, x + 3 * bytes), w.v3, sum.v3);
  }
}

template <size_t kVecs, class D, class Lane, class V = hn::Vec<D>>
HWY_INLINE Sums<V> LoadSums(D d, const Lane* w) {
  const size_t lanes = hn::MaxLanes(d);
  const V v0 = hn::LoadU(d, w);
  if constexpr (kVecs == 1) return {v0, v0, v0, v0};
  const V v1 = hn::LoadU(d, w + (kVecs > 1 ? lanes : 0));
  if constexpr (kVecs == 2) return {v0, v1, v0, v1};
  return {v0, v1, hn::LoadU(d, w + (kVecs > 2 ? 2 * lanes : 0)),
          hn::LoadU(d, w + (kVecs > 2 ? 3 * lanes : 0))};
}

template <size_t kVecs, class D, class Lane, class V>
HWY_INLINE void StoreSums(D d, const Sums<V>& sums, Lane* strip) {
  const size_t lanes = hn::MaxLanes(d);
  hn::StoreU(sums.v0, d, strip);
  if constexpr (kVecs > 1) hn::StoreU(sums.v1, d, strip + lanes);
  if constexpr (kVecs > 2) {
    hn::StoreU(sums.v2, d, strip + 2 * lanes);
    hn::StoreU(sums.v3, d, strip + 3 * lanes);
  }
}

// Four pixels x kVecs vectors of channels from c on. kInside: no tap lies in
// the padding.
template <class T, bool kInside, size_t kVecs, class D>
HWY_INLINE void Tile(D d, const Window<typename T::Lane>& p, size_t c) {
  using V = hn::Vec<D>;
  const V zero = hn::Zero(d);
  Sums<V> s0{zero, zero, zero, zero}, s1 = s0, s2 = s0, s3 = s0;
  const auto* w = p.w + c;
  const uint8_t* image = p.image + c * T::kBytes;
  ptrdiff_t y = p.y;
  for (size_t ky = 0; ky < p.taps_h; ++ky, y += p.step_h) {
    const ptrdiff_t row = y * p.row;
    const bool inside = kInside || (y >= 0 && y < p.in_h);
    const auto at = [&](ptrdiff_t x) HWY_ATTR {
      return kInside || (inside && x >= 0 && x < p.in_w)
                 ? image + (row + x * p.pixel)
                 : p.pad;
    };
    ptrdiff_t kx = 0;
    for (size_t t = 0; t < p.taps_w; ++t, kx += p.step_w, w += p.channels) {
      const Sums<V> filter = LoadSums<kVecs>(d, w);
      AddTap<T, kVecs>(d, at(p.x0 + kx), filter, s0);
      AddTap<T, kVecs>(d, at(p.x1 + kx), filter, s1);
      AddTap<T, kVecs>(d, at(p.x2 + kx), filter, s2);
      AddTap<T, kVecs>(d, at(p.x3 + kx), filter, s3);
    }
  }
  StoreSums<kVecs>(d, s0, p.s0 + c);
  StoreSums<kVecs>(d, s1, p.s1 + c);
  StoreSums<kVecs>(d, s2, p.s2 + c);
  StoreSums<kVecs>(d, s3, p.s3 + c);
}

// 16 accumulators where there are 32 registers, 8 where there are 16.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr size_t kWide = 4;
#else
constexpr size_t kWide = 2;
#endif

// Inner pixels have code of their own, but on targets that need not be fast:
// the library has a limit of size.
constexpr bool kSpecial = HWY_TARGET != HWY_SSE4 && HWY_TARGET != HWY_SCALAR;

// All channels; the last vector overlaps the one before it, fewer channels than
// lanes go one by one.
template <class T, bool kInside>
HWY_INLINE void Channels(const Window<typename T::Lane>& p) {
  const hn::ScalableTag<typename T::Lane> d;
  const size_t lanes = hn::MaxLanes(d);
  size_t c = 0;
  if (p.channels < lanes) {
    const hn::CappedTag<typename T::Lane, 1> d1;
    for (; c < p.channels; ++c) Tile<T, kInside, 1>(d1, p, c);
    return;
  }
  for (; c + kWide * lanes <= p.channels; c += kWide * lanes)
    Tile<T, kInside, kWide>(d, p, c);
  for (; c < p.channels; c += lanes)
    Tile<T, kInside, 1>(d, p, HWY_MIN(c, p.channels - lanes));
}

template <class T>
void Run(const DepthwiseArgs& args) {
  using Lane = typename T::Lane;
  constexpr size_t kTile = kWide * hn::MaxLanes(hn::ScalableTag<Lane>());
  const ConvGeometry& g = *args.geometry;
  HWY_ALIGN uint8_t pad[kTile * T::kBytes];
  for (uint8_t& byte : pad) byte = args.image->pad;
  Window<Lane> p{};
  p.image = static_cast<const uint8_t*>(args.image->data);
  p.pixel = args.image->stride;
  p.row = p.pixel * static_cast<ptrdiff_t>(g.w.in);
  p.step_h = static_cast<ptrdiff_t>(g.h.dilation);
  p.step_w = static_cast<ptrdiff_t>(g.w.dilation);
  p.in_h = static_cast<ptrdiff_t>(g.h.in);
  p.in_w = static_cast<ptrdiff_t>(g.w.in);
  p.taps_h = g.h.kernel;
  p.taps_w = g.w.kernel;
  p.pad = pad;
  p.w = static_cast<const Lane*>(args.filters);
  p.channels = g.ic;
  auto* strip = static_cast<Lane*>(args.strip);
  for (size_t r = 0; r < args.count;) {
    const size_t oy = (args.pixel + r) / g.w.out,
                 ox = (args.pixel + r) % g.w.out;
    const size_t left = HWY_MIN(args.count - r, g.w.out - ox);
    const size_t count = HWY_MIN(left, size_t{4}), i2 = HWY_MIN(count - 1, 2);
    const size_t i1 = HWY_MIN(count - 1, 1), i3 = count - 1;
    const TapRange h = TapsInside(g.h, oy), first = TapsInside(g.w, ox),
                   last = TapsInside(g.w, ox + i3);
    const auto stride = static_cast<ptrdiff_t>(g.w.stride);
    p.y = h.at;
    p.x0 = first.at;
    p.x1 = p.x0 + static_cast<ptrdiff_t>(i1) * stride;
    p.x2 = p.x0 + static_cast<ptrdiff_t>(i2) * stride;
    p.x3 = last.at;
    p.s0 = strip + r * args.strip_stride;
    p.s1 = p.s0 + i1 * args.strip_stride;
    p.s2 = p.s0 + i2 * args.strip_stride;
    p.s3 = p.s0 + i3 * args.strip_stride;
    const bool inside = kSpecial && h.end - h.begin == g.h.kernel &&
                        first.end - first.begin == g.w.kernel &&
                        last.end - last.begin == g.w.kernel;
    inside ? Channels<T, kSpecial>(p) : Channels<T, false>(p);
    r += count;
  }
}

void RunFloats(const DepthwiseArgs& args) noexcept { Run<Floats>(args); }

void RunBytes(const DepthwiseArgs& args) noexcept {
  RangeOf(args.activations).lo < 0 ? Run<Bytes<int8_t>>(args)
                                   : Run<Bytes<uint8_t>>(args);
}

}  // namespace

std::span<const DepthwiseKernel> DepthwiseList() {
  constexpr double kLanes = hn::MaxLanes(hn::ScalableTag<float>());
  // Measured on Zen 5.
  static constexpr DepthwiseKernel kKernels[] = {
      {"f32/depthwise/" BITTERN_HWY_ISA, kNone, &FloatTaps, &LaneFilterBytes,
       &PackFloatLanes, &RunFloats, 0.8 * kLanes, false},
      {"codes/depthwise/" BITTERN_HWY_ISA, kNone, &ByteTaps, &LaneFilterBytes,
       &PackIntegerLanes, &RunBytes, 0.6 * kLanes, false},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(DepthwiseList);
std::span<const DepthwiseKernel> DepthwiseHwy(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(DepthwiseList, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
