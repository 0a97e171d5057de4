#include "runtime/exec/resample.h"

#include <algorithm>
#include <cmath>

namespace bittern::runtime {
namespace {

constexpr int kFractionBits =
    22;  // 8-bit pixels and two bits of headroom fill 32

double Triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double Cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

// Output i of a pass = sum over j < count of weights[j] * input[first + j].
struct Tap {
  size_t first;
  std::vector<int32_t> weights;
};

// Taps of outputs [begin, begin + count) of a pass from `in` samples to `out`
// samples.
std::vector<Tap> MakeTaps(size_t in, size_t out, size_t begin, size_t count,
                          Filter filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(
      scale, 1.0);  // > 1 when shrinking: the filter covers all the input
  const double support = (filter == Filter::kBicubic ? 2.0 : 1.0) * stretch;
  std::vector<Tap> taps(count);
  std::vector<double> exact;
  for (size_t i = 0; i < count; ++i) {
    const double center = (static_cast<double>(begin + i) + 0.5) * scale;
    const double lowest = std::max(0.0, center - support + 0.5);
    const auto first = static_cast<size_t>(lowest);
    const size_t last =
        std::min(in, static_cast<size_t>(center + support + 0.5));
    exact.clear();
    double sum = 0;
    for (size_t x = first; x < last; ++x) {
      const double distance =
          (static_cast<double>(x) - center + 0.5) * (1.0 / stretch);
      exact.push_back(filter == Filter::kBicubic ? Cubic(distance)
                                                 : Triangle(distance));
      sum += exact.back();
    }
    taps[i].first = first;
    for (double w : exact) {
      if (sum != 0) w /= sum;
      w *= 1 << kFractionBits;
      taps[i].weights.push_back(
          static_cast<int32_t>(w < 0 ? w - 0.5 : w + 0.5));
    }
  }
  return taps;
}

// |sum| < 2^31: weights sum to about 2^22 and a cubic's absolute values to less
// than 1.5 times that; pixels are below 2^8.
uint8_t Weigh(const Tap& tap, const uint8_t* samples, size_t stride) {
  int32_t sum = 1 << (kFractionBits - 1);
  for (size_t j = 0; j < tap.weights.size(); ++j)
    sum += tap.weights[j] * samples[(tap.first + j) * stride];
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

}  // namespace

PixelImage Resample(const PixelImage& image, Filter filter,
                    const ResampleSize& size) {
  const size_t channels = image.channels;
  std::vector<Tap> down =
      MakeTaps(image.height, size.height, size.top, size.window_height, filter);
  const size_t first_row = down.front().first;
  const size_t last_row = down.back().first + down.back().weights.size();
  for (Tap& tap : down) tap.first -= first_row;

  PixelImage rows{{}, size.window_width, last_row - first_row, channels};
  rows.pixels.resize(rows.width * rows.height * channels);
  const std::vector<Tap> across =
      MakeTaps(image.width, size.width, size.left, size.window_width, filter);
  for (size_t y = 0; y < rows.height; ++y) {
    const uint8_t* from =
        image.pixels.data() + (first_row + y) * image.width * channels;
    uint8_t* to = rows.pixels.data() + y * rows.width * channels;
    for (size_t x = 0; x < rows.width; ++x) {
      for (size_t c = 0; c < channels; ++c) {
        to[x * channels + c] = image.width == size.width
                                   ? from[(size.left + x) * channels + c]
                                   : Weigh(across[x], from + c, channels);
      }
    }
  }
  if (image.height == size.height) return rows;

  PixelImage result{{}, size.window_width, size.window_height, channels};
  const size_t row_bytes = result.width * channels;
  result.pixels.resize(row_bytes * result.height);
  for (size_t y = 0; y < result.height; ++y) {
    for (size_t i = 0; i < row_bytes; ++i)
      result.pixels[y * row_bytes + i] =
          Weigh(down[y], rows.pixels.data() + i, row_bytes);
  }
  return result;
}

}  // namespace bittern::runtime
