// A convolution with its image and filters in every form that kernels take, and
// what is expected, by plain loops over the definition that share nothing with
// the kernels.
#pragma once

#include <string>
#include <vector>

#include "kernels/conv/conv.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::test {

// {in, kernel, stride, dilation, pad before, pad after}
struct AxisSpec {
  size_t in, kernel, stride = 1, dilation = 1, before = 0, after = 0;
};
kernels::ConvAxis MakeAxis(const AxisSpec& spec);

// What input channels have of their own: a pad; a pad and a scale; those, and
// all integers are the least or the greatest of their type.
enum class OwnOf { kNothing, kPad, kScale, kExtremes };

class ConvCase {
 public:
  // `zero_percent` of three-valued activations are zero, none in every third
  // pixel.
  ConvCase(const kernels::ConvGeometry& geometry, kernels::GemmTypes types,
           kernels::PixelLayout layout, size_t zero_percent, uint64_t seed,
           OwnOf own = OwnOf::kNothing);

  const kernels::ConvGeometry& geometry() const { return geometry_; }
  kernels::GemmTypes types() const { return types_; }
  kernels::PixelLayout layout() const { return layout_; }
  const kernels::ConvImage& image() const { return image_; }
  const float* channel_scale() const { return scales_.data(); }
  bool scaled() const { return !scales_.empty(); }
  const void* canonical() const { return canonical_.data(); }
  // Of output pixel p and channel n: an integer, or a float's value.
  double Expected(size_t p, size_t n) const {
    return expected_[p * geometry_.oc + n];
  }
  bool Intact() const { return memory_.Intact(); }
  std::string Name() const;

 private:
  void FillImage(Random& random, size_t zero_percent);
  void FillFilters(Random& random);
  double Activation(size_t pixel, size_t channel) const {
    return activations_[pixel * geometry_.ic + channel];
  }
  double ActivationAt(size_t p, size_t tap, size_t channel) const;
  int Pad(size_t channel) const;
  double Window(size_t p, size_t n) const;
  double ScaledWindow(size_t p, size_t n) const;

  kernels::ConvGeometry geometry_;
  kernels::GemmTypes types_;
  kernels::PixelLayout layout_;
  bool extremes_;
  std::vector<double> activations_;  // [pixel][ic]
  std::vector<double> weights_;      // [oc][k], k in the layout's order
  std::vector<uint8_t> canonical_;
  std::vector<uint8_t> pads_;  // by channel; empty: image_.pad
  std::vector<float> scales_;  // by channel, if it has one
  std::vector<double> expected_;
  Guarded memory_;
  kernels::ConvImage image_;
};

}  // namespace bittern::test
