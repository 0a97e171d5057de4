// The step of the grid divides the smallest gap between levels (0 counts as
// one): every divisor is tried, the largest step first, so that codes have no
// common divisor. The scale is then the float that gives most levels exactly.
#include "converter/passes/level_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bittern::convert {
namespace {

constexpr double kMaxCode = 511;
constexpr int kMaxDivisor = 64;
constexpr double kUlps = 4;
// b - clip(w) + clip(w) is off by a few units of 2^-24 of the clipped latent.
constexpr double kEstimatorNoise = 4 * 0x1p-24;
constexpr double kNoiseOfGap = 1e-3;  // far below a level

double UlpOf(float value) {
  const float magnitude = std::fabs(value);
  return static_cast<double>(
      std::nextafter(magnitude, std::numeric_limits<float>::infinity()) -
      magnitude);
}

struct Cluster {
  double value;        // the most frequent of its levels
  size_t first, last;  // levels [first, last)
};

class Fitter {
 public:
  // `noise` in units of the weights, on top of kUlps.
  Fitter(const std::vector<Level>& levels, double noise)
      : levels_(levels), noise_(noise) {
    for (size_t i = 0; i < levels.size();) {
      size_t end = i + 1;
      while (end < levels.size() && Near(levels[end - 1], levels[end])) ++end;
      size_t mode = i;
      for (size_t j = i; j < end; ++j) {
        if (levels[j].count > levels[mode].count) mode = j;
      }
      clusters_.push_back({static_cast<double>(levels[mode].value), i, end});
      i = end;
    }
    for (const Cluster& c : clusters_) {
      largest_ = std::max(largest_, std::fabs(c.value));
    }
  }

  double MedianGap() const {
    std::vector<double> gaps;
    for (size_t i = 1; i < clusters_.size(); ++i) {
      gaps.push_back(clusters_[i].value - clusters_[i - 1].value);
    }
    if (gaps.empty()) return largest_;
    std::nth_element(gaps.begin(),
                     gaps.begin() + static_cast<ptrdiff_t>(gaps.size() / 2),
                     gaps.end());
    return gaps[gaps.size() / 2];
  }

  std::optional<LevelGrid> Fit() {
    LevelGrid grid;
    if (largest_ == 0) {
      grid.codes.assign(levels_.size(), 0);
      return grid;
    }
    const double gap = SmallestGap();
    for (int divisor = 1; divisor <= kMaxDivisor; ++divisor) {
      const double reach = std::nearbyint(largest_ * divisor / gap);
      if (reach > kMaxCode) return std::nullopt;
      if (reach < 1 || !HasStep(largest_ / reach)) continue;
      grid.scale = BestScale();
      if (Measure(grid)) return grid;
    }
    return std::nullopt;
  }

 private:
  double Tolerance(double value) const {
    return std::max(noise_, kUlps * UlpOf(static_cast<float>(value)));
  }

  bool Near(const Level& a, const Level& b) const {
    const auto low = static_cast<double>(a.value);
    const auto high = static_cast<double>(b.value);
    return high - low <= std::max(Tolerance(low), Tolerance(high));
  }

  double SmallestGap() const {
    double gap = largest_;
    for (size_t i = 0; i < clusters_.size(); ++i) {
      const double magnitude = std::fabs(clusters_[i].value);
      if (magnitude > noise_) gap = std::min(gap, magnitude);
      if (i > 0)
        gap = std::min(gap, clusters_[i].value - clusters_[i - 1].value);
    }
    return gap;
  }

  // Whether all levels are multiples of `step`; sets their codes.
  bool HasStep(double step) {
    codes_.resize(clusters_.size());
    for (size_t i = 0; i < clusters_.size(); ++i) {
      const double code = std::nearbyint(clusters_[i].value / step);
      const double share = std::fabs(code) * step / largest_;
      const double slack =
          Tolerance(clusters_[i].value) + share * Tolerance(largest_);
      if (std::fabs(clusters_[i].value - code * step) > slack) return false;
      codes_[i] = static_cast<int16_t>(code);
    }
    return true;
  }

  // Of the scales that one of the levels gives exactly, and their neighbours,
  // the one that gives most weights exactly.
  float BestScale() const {
    float best = 0;
    size_t best_exact = 0;
    const auto consider = [&](float scale) {
      size_t exact = 0;
      for (size_t i = 0; i < clusters_.size(); ++i) {
        const float product = static_cast<float>(codes_[i]) * scale;
        for (size_t j = clusters_[i].first; j < clusters_[i].last; ++j) {
          if (levels_[j].value == product) exact += levels_[j].count;
        }
      }
      if (best == 0 || exact > best_exact) {
        best = scale;
        best_exact = exact;
      }
    };
    for (int power = 1; power <= 256; power *= 2) {  // these divide exactly
      for (size_t i = 0; i < clusters_.size(); ++i) {
        if (std::abs(codes_[i]) != power) continue;
        consider(static_cast<float>(clusters_[i].value / codes_[i]));
      }
    }
    for (size_t i : {size_t{0}, clusters_.size() - 1}) {
      if (codes_[i] == 0) continue;
      float scale = static_cast<float>(clusters_[i].value / codes_[i]);
      for (int step = 0; step < 2; ++step) scale = std::nextafter(scale, 0.0f);
      for (int step = 0; step < 5; ++step) {
        consider(scale);
        scale = std::nextafter(scale, std::numeric_limits<float>::infinity());
      }
    }
    return best;
  }

  // The codes of all levels, and how far off they are; false if too far.
  bool Measure(LevelGrid& grid) const {
    grid.codes.resize(levels_.size());
    grid.max_ulp = 0;
    for (size_t i = 0; i < clusters_.size(); ++i) {
      const float product = static_cast<float>(codes_[i]) * grid.scale;
      const float unit = codes_[i] == 0 ? grid.scale : product;
      for (size_t j = clusters_[i].first; j < clusters_[i].last; ++j) {
        const double distance =
            std::fabs(static_cast<double>(levels_[j].value) -
                      static_cast<double>(product));
        if (distance > Tolerance(static_cast<double>(product))) return false;
        grid.max_ulp = std::max(grid.max_ulp, distance / UlpOf(unit));
        grid.codes[j] = codes_[i];
      }
    }
    return true;
  }

  const std::vector<Level>& levels_;
  double noise_;
  double largest_ = 0;
  std::vector<Cluster> clusters_;
  std::vector<int16_t> codes_;  // of the clusters
};

}  // namespace

std::optional<LevelGrid> FitGrid(const std::vector<Level>& levels) {
  if (levels.empty()) return std::nullopt;
  if (std::optional<LevelGrid> grid = Fitter(levels, 0).Fit()) return grid;
  const auto largest = static_cast<double>(std::max(
      std::fabs(levels.front().value), std::fabs(levels.back().value)));
  const double noise = kEstimatorNoise * std::max(1.0, largest);
  const double cap = kNoiseOfGap * Fitter(levels, noise).MedianGap();
  return Fitter(levels, std::min(noise, cap)).Fit();
}

}  // namespace bittern::convert
