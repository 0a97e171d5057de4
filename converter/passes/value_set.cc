// One row at a time: the most frequent magnitude is the scale, and every other
// magnitude must lie within the tolerance of it.
#include "converter/passes/value_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace bittern::convert {
namespace {

constexpr double kMaxUlp = 4;
// The noise of b - clip(w) + clip(w) scales with the clipped latent weight, at
// most 1, not with the scale b of the row.
constexpr double kEstimatorNoise = 4 * 0x1p-24;
constexpr double kMaxRelativeNoise = 2e-3;  // of the scale: far below a level

float MostFrequent(std::vector<float>& sorted) {
  std::sort(sorted.begin(), sorted.end());
  float best = sorted[0];
  size_t best_count = 0;
  for (size_t i = 0; i < sorted.size();) {
    size_t end = i;
    while (end < sorted.size() && sorted[end] == sorted[i]) ++end;
    if (end - i > best_count) {
      best_count = end - i;
      best = sorted[i];
    }
    i = end;
  }
  return best;
}

size_t DistinctValues(std::vector<float> row) {
  std::sort(row.begin(), row.end());
  return static_cast<size_t>(std::unique(row.begin(), row.end()) - row.begin());
}

double UlpOf(float value) {
  return static_cast<double>(
      std::nextafter(value, std::numeric_limits<float>::infinity()) - value);
}

// Why `row` is not +-scale; empty if it is.
std::string CheckRow(const std::vector<float>& row, size_t index, float scale,
                     double& max_ulp) {
  const auto s = static_cast<double>(scale);
  double largest = 0, distance = 0;
  size_t zeros = 0;
  for (float w : row) {
    const double magnitude = std::fabs(static_cast<double>(w));
    zeros += w == 0.0f ? 1 : 0;
    largest = std::max(largest, magnitude);
    distance = std::max(distance, std::fabs(magnitude - s));
  }
  const double noise =
      std::min(kEstimatorNoise * std::max(1.0, largest), kMaxRelativeNoise * s);
  if (distance <= std::max(kMaxUlp * UlpOf(scale), noise)) {
    max_ulp = std::max(max_ulp, distance / UlpOf(scale));
    return "";
  }
  if (zeros > 0 && DistinctValues(row) <= 3) {
    return fmt::format("ternary weights: row {} has {} zeros of {}", index,
                       zeros, row.size());
  }
  return fmt::format("weights are not +-s: row {} has {} distinct values",
                     index, DistinctValues(row));
}

}  // namespace

BipolarMatrix ClassifyBipolar(const std::vector<float>& weights, size_t k,
                              size_t n) {
  BipolarMatrix matrix;
  if (k == 0 || n == 0) {
    matrix.reason = "the weight matrix is empty";
    return matrix;
  }
  matrix.positive.resize(n * k);
  std::vector<float> row(k), magnitudes(k);
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = 0; i < k; ++i) {
      row[i] = weights[i * n + j];
      magnitudes[i] = std::fabs(row[i]);
      matrix.positive[j * k + i] = !std::signbit(row[i]);
    }
    if (!std::all_of(row.begin(), row.end(),
                     [](float w) { return std::isfinite(w); })) {
      matrix.reason =
          fmt::format("weight row {} has a value that is not finite", j);
      return matrix;
    }
    const float scale = MostFrequent(magnitudes);
    matrix.reason = CheckRow(row, j, scale, matrix.max_ulp);
    if (!matrix.reason.empty()) return matrix;
    matrix.scales.push_back(scale);
  }
  return matrix;
}

}  // namespace bittern::convert
