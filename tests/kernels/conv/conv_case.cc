#include "tests/kernels/conv/conv_case.h"

#include <cmath>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/base/code_matrix.h"

namespace bittern::test {
namespace {

using kernels::ConvAxis;
using kernels::ConvGeometry;
using kernels::Operand;
using kernels::PixelLayout;

constexpr size_t kGap = 3;  // elements between pixels or channels, never read

bool IsPlanes(Operand type) { return type == Operand::kSign; }

size_t ElementBytes(Operand type) {
  return type == Operand::kF32 ? sizeof(float) : 1;
}

size_t PlaneGroup(const ConvGeometry& g) {
  return g.IsDepthwise() ? g.ic : g.GroupIn();
}

size_t ImageBytes(const ConvGeometry& g, Operand type, PixelLayout layout) {
  const size_t pixels = g.h.in * g.w.in;
  if (IsPlanes(type))
    return kernels::CodePlanesBytes(pixels, g.ic, PlaneGroup(g));
  const size_t elements = layout == PixelLayout::kNhwc
                              ? pixels * (g.ic + kGap) - kGap
                              : g.ic * (pixels + kGap) - kGap;
  return elements * ElementBytes(type);
}

double RandomValue(Operand type, Random& random, bool extremes = false) {
  if (type == Operand::kF32) return random.Normal();
  const kernels::ValueRange range = kernels::RangeOf(type);
  if (extremes) return random.Below(4) == 0 ? range.hi : range.lo;
  const int32_t step = kernels::StepOf(type);
  const auto values = static_cast<size_t>((range.hi - range.lo) / step + 1);
  return range.lo + step * static_cast<double>(random.Below(values));
}

}  // namespace

ConvAxis MakeAxis(const AxisSpec& s) {
  const size_t reach = s.dilation * (s.kernel - 1) + 1;
  return {s.in,       (s.in + s.before + s.after - reach) / s.stride + 1,
          s.kernel,   s.stride,
          s.dilation, s.before};
}

ConvCase::ConvCase(const ConvGeometry& geometry, kernels::GemmTypes types,
                   PixelLayout layout, size_t zero_percent, uint64_t seed,
                   OwnOf own)
    : geometry_(geometry),
      types_(types),
      layout_(layout),
      extremes_(own == OwnOf::kExtremes),
      memory_(ImageBytes(geometry, types.activations, layout)) {
  Random random(seed);
  if (ElementBytes(types.activations) == 1 && !IsPlanes(types.activations))
    image_.pad = static_cast<uint8_t>(
        static_cast<int>(RandomValue(types.activations, random)));
  FillImage(random, zero_percent);
  FillFilters(random);
  if (own != OwnOf::kNothing) {
    for (size_t c = 0; c < geometry.ic; ++c) {
      pads_.push_back(static_cast<uint8_t>(
          static_cast<int>(RandomValue(types.activations, random, extremes_))));
    }
    image_.pads = pads_.data();
  }
  if (own == OwnOf::kScale || extremes_) {
    for (size_t c = 0; c < geometry.ic; ++c)
      scales_.push_back(static_cast<float>(random.Normal()));
  }
  for (size_t p = 0; p < geometry.Pixels(); ++p) {
    for (size_t n = 0; n < geometry.oc; ++n)
      expected_.push_back(scaled() ? ScaledWindow(p, n) : Window(p, n));
  }
}

void ConvCase::FillImage(Random& random, size_t zero_percent) {
  const ConvGeometry& g = geometry_;
  const size_t pixels = g.h.in * g.w.in;
  const size_t bytes = ElementBytes(types_.activations);
  memory_.Fill(IsPlanes(types_.activations) ? 0 : 0xC3);
  const bool nhwc = layout_ == PixelLayout::kNhwc;
  image_.layout = layout_;
  image_.stride =
      static_cast<ptrdiff_t>((nhwc ? g.ic + kGap : pixels + kGap) * bytes);
  image_.data = memory_.As<void>();
  if (IsPlanes(types_.activations)) {
    image_.planes = kernels::ViewCodePlanes(memory_.As<void>(), pixels, g.ic,
                                            PlaneGroup(g));
  }
  for (size_t p = 0; p < pixels; ++p) {
    for (size_t c = 0; c < g.ic; ++c) {
      double value = RandomValue(types_.activations, random, extremes_);
      if (types_.activations == Operand::kSign) {
        const bool zero = p % 3 != 0 && random.Below(100) < zero_percent;
        value = zero ? 0 : random.Below(2) == 0 ? -1 : 1;
      }
      if (IsPlanes(types_.activations)) {
        const kernels::CodePlanes& planes = image_.planes;
        const size_t word =
            p * planes.row_words +
            c / planes.group * kernels::GroupWords(planes.group) +
            c % planes.group / 64;
        const size_t bit = c % planes.group % 64;
        planes.valid[word] |= static_cast<uint64_t>(value != 0) << bit;
        planes.sign[word] |= static_cast<uint64_t>(value > 0) << bit;
        planes.valid_count[p] += value != 0;
      } else {
        const auto step = static_cast<size_t>(image_.stride);
        uint8_t* at = memory_.As<uint8_t>() +
                      (nhwc ? p * step + c * bytes : c * step + p * bytes);
        const auto number = static_cast<float>(value);
        if (bytes == sizeof(number)) {
          std::memcpy(at, &number, sizeof(number));
        } else {
          *at = static_cast<uint8_t>(static_cast<int>(value));
        }
        value = bytes == sizeof(number) ? number : value;
      }
      activations_.push_back(value);
    }
  }
}

void ConvCase::FillFilters(Random& random) {
  const size_t k = geometry_.K(), n = geometry_.oc;
  canonical_.resize(kernels::CanonicalBytes(types_.weights, n, k));
  for (size_t i = 0; i < n * k; ++i) {
    const double value = RandomValue(types_.weights, random, extremes_);
    if (types_.weights == Operand::kF32) {
      const auto number = static_cast<float>(value);
      std::memcpy(canonical_.data() + i * sizeof(number), &number,
                  sizeof(number));
      weights_.push_back(number);
      continue;
    }
    kernels::PutValue(canonical_.data(), types_.weights, k, i / k, i % k,
                      static_cast<int32_t>(value));
    weights_.push_back(value);
  }
}

int ConvCase::Pad(size_t channel) const {
  if (IsPlanes(types_.activations) || types_.activations == Operand::kF32)
    return 0;
  return kernels::ByteValue(types_.activations,
                            pads_.empty() ? image_.pad : pads_[channel]);
}

double ConvCase::ActivationAt(size_t p, size_t tap, size_t channel) const {
  const ConvGeometry& g = geometry_;
  const auto y = static_cast<ptrdiff_t>(p / g.w.out * g.h.stride +
                                        tap / g.w.kernel * g.h.dilation) -
                 static_cast<ptrdiff_t>(g.h.pad);
  const auto x = static_cast<ptrdiff_t>(p % g.w.out * g.w.stride +
                                        tap % g.w.kernel * g.w.dilation) -
                 static_cast<ptrdiff_t>(g.w.pad);
  const bool inside = y >= 0 && y < static_cast<ptrdiff_t>(g.h.in) && x >= 0 &&
                      x < static_cast<ptrdiff_t>(g.w.in);
  return inside ? Activation(
                      static_cast<size_t>(y) * g.w.in + static_cast<size_t>(x),
                      channel)
                : Pad(channel % g.GroupIn());
}

// One output by the definition; floats by one chain of fused multiply-adds over
// k ascending.
double ConvCase::Window(size_t p, size_t n) const {
  const ConvGeometry& g = geometry_;
  const size_t channels = g.GroupIn(), group = n / g.GroupOut();
  const bool nhwc = layout_ == PixelLayout::kNhwc;
  double sum = 0;
  float chain = 0;
  for (size_t i = 0; i < g.K(); ++i) {
    const size_t tap = nhwc ? i / channels : i % g.Taps();
    const size_t c = nhwc ? i % channels : i / g.Taps();
    const double a = ActivationAt(p, tap, group * channels + c);
    const double w = weights_[n * g.K() + i];
    sum += a * w;
    chain = std::fma(static_cast<float>(a), static_cast<float>(w), chain);
  }
  return types_.activations == Operand::kF32 ? chain : sum;
}

// The same of channels with scales, NHWC in one group: one chain over them.
double ConvCase::ScaledWindow(size_t p, size_t n) const {
  const ConvGeometry& g = geometry_;
  float chain = 0;
  for (size_t c = 0; c < g.ic; ++c) {
    double sum = 0;
    for (size_t tap = 0; tap < g.Taps(); ++tap) {
      sum += (ActivationAt(p, tap, c) - Pad(c)) *
             weights_[n * g.K() + tap * g.ic + c];
    }
    chain = std::fma(static_cast<float>(sum), scales_[c], chain);
  }
  return chain;
}

std::string ConvCase::Name() const {
  const auto axis = [](const ConvAxis& a) {
    return std::to_string(a.in) + "->" + std::to_string(a.out) + " k" +
           std::to_string(a.kernel) + " s" + std::to_string(a.stride) + " d" +
           std::to_string(a.dilation) + " p" + std::to_string(a.pad);
  };
  return "h " + axis(geometry_.h) + ", w " + axis(geometry_.w) + ", ic " +
         std::to_string(geometry_.ic) + " oc " + std::to_string(geometry_.oc) +
         " groups " + std::to_string(geometry_.groups) + " w" +
         std::to_string(static_cast<int>(types_.weights)) + "a" +
         std::to_string(static_cast<int>(types_.activations)) +
         (layout_ == PixelLayout::kNhwc ? " nhwc" : " nchw");
}

}  // namespace bittern::test
