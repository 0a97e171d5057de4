// Depthwise convolution of three-valued bits in Highway: a word of 64 channels
// at a time, bits spread to bytes.
//   strip[r][c] = (taps where code and filter agree) - (taps where they differ)
// A zero code, padding included, is in neither. Filters: packed[tap][word].
// Range: a byte counts at most kMaxTaps taps either way, then goes to int32.
#include "kernels/base/bits.h"
#include "kernels/conv/depthwise_kernels.h"
#include "kernels/conv/window.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/depthwise_bits_hwy.cc"
#include "hwy/foreach_target.h"
#include "kernels/base/hwy-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using DB = hn::CappedTag<int8_t, 64>;
using DI = hn::ScalableTag<int32_t>;

constexpr size_t kWord = 64;  // channels
constexpr size_t kByteLanes = hn::MaxLanes(DB());
constexpr size_t kMaxTaps = 127;

// -1 in the lanes whose bit is set, from bit `lane` on.
HWY_INLINE hn::Vec<DB> Spread(uint64_t bits, size_t lane) {
  const uint64_t from = bits >> lane;
  uint8_t bytes[sizeof(from)];
  hwy::CopyBytes<sizeof(from)>(&from, bytes);
  return hn::VecFromMask(DB(), hn::LoadMaskBits(DB(), bytes));
}

struct Window {  // of one pixel and one word of channels; steps in words
  const uint64_t *sign, *valid, *w;  // first tap in the image
  size_t rows, taps;                 // in the image
  size_t image_row, image_tap, filter_row, filter_tap;
};

// Adds the sums of kByteLanes channels to the strip, or stores them.
HWY_INLINE void Flush(hn::Vec<DB> sums, bool add, int32_t* strip) {
  const hn::Rebind<int8_t, DI> quarter;
  HWY_ALIGN int8_t bytes[kByteLanes];
  hn::Store(sums, DB(), bytes);
  for (size_t i = 0; i < kByteLanes; i += hn::MaxLanes(DI())) {
    auto wide = hn::PromoteTo(DI(), hn::LoadU(quarter, bytes + i));
    if (add) wide = hn::Add(wide, hn::LoadU(DI(), strip + i));
    hn::StoreU(wide, DI(), strip + i);
  }
}

// Channels [lane, lane + kByteLanes) of the word.
HWY_INLINE void Lanes(const Window& p, size_t lane, int32_t* strip) {
  auto sums = hn::Zero(DB());
  size_t used = 0;
  bool flushed = false;
  for (size_t y = 0; y < p.rows; ++y) {
    for (size_t x = 0; x < p.taps; ++x) {
      const size_t at = y * p.image_row + x * p.image_tap;
      const uint64_t valid = p.valid[at],
                     differ =
                         p.sign[at] ^ p.w[y * p.filter_row + x * p.filter_tap];
      if (used == kMaxTaps) {
        Flush(sums, flushed, strip);
        flushed = true;
        sums = hn::Zero(DB());
        used = 0;
      }
      ++used;
      sums = hn::Sub(hn::Add(sums, Spread(differ & valid, lane)),
                     Spread(~differ & valid, lane));
    }
  }
  Flush(sums, flushed, strip);
}

void Run(const DepthwiseArgs& args) noexcept {
  const ConvGeometry& g = *args.geometry;
  const CodePlanes& planes = args.image->planes;
  const size_t words = planes.row_words, row = g.w.in * words;
  Window p{};
  p.image_row = row * g.h.dilation;
  p.image_tap = words * g.w.dilation;
  p.filter_row = words * g.w.kernel;
  p.filter_tap = words;
  for (size_t r = 0; r < args.count; ++r) {
    const size_t pixel = args.pixel + r;
    const TapRange h = TapsInside(g.h, pixel / g.w.out),
                   w = TapsInside(g.w, pixel % g.w.out);
    p.rows = h.end - h.begin;
    p.taps = w.end - w.begin;
    // First tap in the image; anything where there is none.
    const size_t y = p.rows == 0
                         ? 0
                         : static_cast<size_t>(h.at) + h.begin * g.h.dilation,
                 x = p.taps == 0
                         ? 0
                         : static_cast<size_t>(w.at) + w.begin * g.w.dilation;
    auto* strip = static_cast<int32_t*>(args.strip) + r * args.strip_stride;
    for (size_t i = 0; i < words; ++i, strip += kWord) {
      p.sign = planes.sign + y * row + x * words + i;
      p.valid = planes.valid + y * row + x * words + i;
      p.w = static_cast<const uint64_t*>(args.filters) +
            (h.begin * g.w.kernel + w.begin) * words + i;
      for (size_t lane = 0; lane < kWord; lane += kByteLanes)
        Lanes(p, lane, strip + lane);
    }
  }
}

}  // namespace

std::span<const DepthwiseKernel> DepthwiseBitsList() {
  // Measured on Zen 5.
  static constexpr DepthwiseKernel kKernels[] = {
      {"w1a1/depthwise/" BITTERN_HWY_ISA, kNone, &BitTaps, &BitFilterBytes,
       &PackBitLanes, &Run, 0.25 * kByteLanes, false},
  };
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace bittern::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(DepthwiseBitsList);
std::span<const DepthwiseKernel> DepthwiseBitsHwy(const CpuFeatures& cpu) {
  return BITTERN_HWY_TABLE(DepthwiseBitsList, cpu)();
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
