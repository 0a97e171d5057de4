// Each row's values fall into at most two clusters; the most frequent float of
// a cluster stands for it.
#include "converter/passes/two_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace bittern::convert {
namespace {

constexpr size_t kMinInputs = 4;   // fewer are two values by chance
constexpr size_t kMaxFloats = 16;  // of two values with noise
constexpr double kUlps = 4;
// As level_grid.cc: what straight-through estimators leave, well below the gap.
constexpr double kEstimatorNoise = 4 * 0x1p-24;
constexpr double kNoiseOfGap = 1e-3;

double UlpOf(float value) {
  const float magnitude = std::fabs(value);
  return static_cast<double>(
      std::nextafter(magnitude, std::numeric_limits<float>::infinity()) -
      magnitude);
}

// The two values of ascending floats and how often each occurs, cut at the
// widest gap; nothing if one side is spread by more than noise.
std::optional<std::pair<float, float>> TwoOf(
    const std::map<float, size_t>& counts) {
  const double least = counts.begin()->first, most = counts.rbegin()->first;
  auto cut = counts.end();
  double gap = 0;
  for (auto i = counts.begin(), next = std::next(i); next != counts.end();
       i = next++) {
    const double distance = double{next->first} - double{i->first};
    if (distance > gap) {
      gap = distance;
      cut = next;
    }
  }
  const double largest = std::max(std::fabs(least), std::fabs(most));
  const double estimator =
      std::min(kEstimatorNoise * std::max(1.0, largest), kNoiseOfGap * gap);
  const auto value = [&](auto first, auto last) -> std::optional<float> {
    auto mode = first;
    for (auto i = first; i != last; ++i) {
      if (i->second > mode->second) mode = i;
    }
    const double noise = std::max(kUlps * UlpOf(mode->first), estimator);
    const double low = double{mode->first} - double{first->first};
    const double high = double{std::prev(last)->first} - double{mode->first};
    if (std::max(low, high) > noise) return std::nullopt;
    return mode->first;
  };
  if (cut == counts.end())
    return std::pair(counts.begin()->first, counts.begin()->first);
  const auto a = value(counts.begin(), cut), b = value(cut, counts.end());
  if (!a || !b) return std::nullopt;
  return std::pair(*a, *b);
}

// Zero point and scale of a row, and how far off its values they are in ulp of
// each.
struct Levels {
  float zero = 0, scale = 1;
  double ulps = 0;
};

double UlpsOff(float value, float expected) {
  if (value == expected) return 0;
  return std::fabs(double{value} - double{expected}) / UlpOf(expected);
}

// The best of the nearest floats and their neighbours.
Levels FitLevels(float near, float far) {
  if (near == far) return {-near, 1, 0};
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto scale = static_cast<float>(double{far} - double{near});
  const auto zero = static_cast<float>(-double{near} / double{scale});
  Levels best{0, 0, std::numeric_limits<double>::infinity()};
  for (float s : {scale, std::nextafter(scale, kInfinity),
                  std::nextafter(scale, -kInfinity)}) {
    for (float z : {zero, std::nextafter(zero, kInfinity),
                    std::nextafter(zero, -kInfinity)}) {
      const float level0 = 0.0f - z, level1 = 1.0f - z;
      const double ulps =
          std::max(UlpsOff(level0 * s, near), UlpsOff(level1 * s, far));
      if (ulps < best.ulps) best = {z, s, ulps};
    }
  }
  return best;
}

}  // namespace

std::optional<TwoValuedWeights> ClassifyTwoValues(
    const std::vector<float>& weights, size_t k, size_t n) {
  if (k < kMinInputs || n == 0) return std::nullopt;
  TwoValuedWeights result;
  result.is_far.resize(n * k);
  for (size_t j = 0; j < n; ++j) {
    std::map<float, size_t> counts;
    for (size_t i = 0; i < k; ++i) {
      const float w = weights[i * n + j];
      if (!std::isfinite(w)) return std::nullopt;
      if (++counts[w] == 1 && counts.size() > kMaxFloats) return std::nullopt;
    }
    const auto two = TwoOf(counts);
    if (!two) return std::nullopt;
    const auto [low, high] = *two;
    const bool low_is_near = std::fabs(low) <= std::fabs(high);
    result.near.push_back(low_is_near ? low : high);
    result.far.push_back(low_is_near ? high : low);
    const double middle = (double{low} + double{high}) / 2;
    for (size_t i = 0; i < k; ++i) {
      const bool above = double{weights[i * n + j]} > middle;
      result.is_far[j * k + i] = low != high && above == low_is_near ? 1 : 0;
    }
  }
  return result;
}

TwoValuedWeights::Signs TwoValuedWeights::AsSigns() const {
  Signs signs;
  const size_t n = near.size(), k = is_far.size() / n;
  signs.codes.type = {runtime::Encoding::kBipolar, 1, 0};
  for (size_t j = 0; j < n; ++j) {
    const double a = near[j], b = far[j];
    signs.middle.push_back(static_cast<float>((a + b) / 2));
    signs.codes.scales.push_back(static_cast<float>((b - a) / 2));
    const double m = signs.middle[j], d = signs.codes.scales[j];
    const double error = std::max(std::fabs(m - d - a), std::fabs(m + d - b));
    if (b != 0) {
      signs.codes.max_ulp =
          std::max(signs.codes.max_ulp, error / UlpOf(far[j]));
    }
  }
  signs.codes.values.resize(n * k);
  for (size_t i = 0; i < n * k; ++i) {
    signs.codes.values[i] = static_cast<int16_t>(2 * is_far[i] - 1);
  }
  return signs;
}

GroupedWeights TwoValuedWeights::AsGroup() const {
  GroupedWeights group;
  group.type = {runtime::Encoding::kUnsigned, 1, 0};
  group.channels = near.size();
  group.block = is_far.size() / near.size();
  group.values = is_far;
  for (size_t j = 0; j < near.size(); ++j) {
    const Levels levels = FitLevels(near[j], far[j]);
    group.scales.push_back(levels.scale);
    group.zeros.push_back(levels.zero);
    group.max_ulp = std::max(group.max_ulp, levels.ulps);
  }
  return group;
}

}  // namespace bittern::convert
