// The size of the groups is the largest that every change of a scale or a zero
// point along k allows; then the narrowest codes.
#include "converter/passes/weight_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "converter/passes/level_grid.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {
namespace {

// Smaller groups leave little to gain: four codes of 4 bits and their scale
// take 6 bytes instead of 16.
constexpr size_t kMinBlock = 4;
constexpr float kMinByte = -128, kMaxByte = 255;

bool IsIntegerIn(float x, float lo, float hi) {
  return x >= lo && x <= hi && x == std::nearbyint(x);
}

bool AllIntegers(const std::vector<float>& values, float lo, float hi) {
  return std::all_of(values.begin(), values.end(),
                     [=](float x) { return IsIntegerIn(x, lo, hi); });
}

bool SameBits(float a, float b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

// The greatest common divisor of all places along k where a list changes, k if
// none does. The last group may be short.
size_t BlockOf(const WeightParts& parts, size_t k, size_t n) {
  size_t block = 0;
  for (size_t i = 1; i < k && block != 1; ++i) {
    const size_t row = i * n;
    for (size_t j = row; j < row + n; ++j) {
      if (SameBits(parts.scales[j], parts.scales[j - n]) &&
          (parts.zeros.empty() ||
           SameBits(parts.zeros[j], parts.zeros[j - n]))) {
        continue;
      }
      block = std::gcd(block, i);
      break;
    }
  }
  return block == 0 ? k : block;
}

// [k][n] -> one value for each group of each channel.
std::vector<float> PerGroup(const std::vector<float>& values, size_t k,
                            size_t n, size_t block) {
  std::vector<float> list;
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = 0; i < k; i += block) list.push_back(values[i * n + j]);
  }
  return list;
}

// Codes of [k][n] as [n][k], less `offset` and, if not empty, `less`.
std::vector<int16_t> Codes(const WeightParts& parts, size_t k, size_t n,
                           float offset, const std::vector<float>& less) {
  std::vector<int16_t> values(k * n);
  for (size_t i = 0; i < k * n; ++i) {
    const float zero = less.empty() ? offset : less[i];
    values[i % n * k + i / n] = static_cast<int16_t>(parts.codes[i] - zero);
  }
  return values;
}

std::optional<runtime::CodeType> TypeOf(const std::vector<int16_t>& values) {
  const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
  return NarrowestType(*lo, *hi);
}

// Blocks that quantisers use.
constexpr std::array<size_t, 5> kBlocks = {256, 128, 64, 32, 16};

// The grid of every block of a matrix, written into parts of its shape. Codes
// start at 0 where some are negative: zero points keep asymmetric ones narrow.
class BlockFitter {
 public:
  BlockFitter(const std::vector<float>& weights, size_t k, size_t n)
      : weights_(weights), k_(k), n_(n) {
    parts_.codes.resize(k * n);
    parts_.scales.resize(k * n);
    parts_.zeros.resize(k * n);
  }

  bool Fit(size_t block) {
    max_ulp_ = 0;
    for (size_t j = 0; j < n_; ++j) {
      for (size_t i = 0; i < k_; i += block) {
        if (!FitBlock(j, i, std::min(i + block, k_))) return false;
      }
    }
    return true;
  }

  const WeightParts& parts() const { return parts_; }
  double max_ulp() const { return max_ulp_; }

 private:
  bool FitBlock(size_t channel, size_t first, size_t end) {
    values_.clear();
    for (size_t i = first; i < end; ++i) {
      values_.push_back(weights_[i * n_ + channel]);
      if (!std::isfinite(values_.back())) return false;
    }
    std::sort(values_.begin(), values_.end());
    levels_.clear();
    for (float value : values_) {
      if (levels_.empty() || levels_.back().value != value) {
        levels_.push_back({value, 0});
      }
      ++levels_.back().count;
    }
    const std::optional<LevelGrid> grid = FitGrid(levels_);
    if (!grid) return false;
    const auto [lo, hi] =
        std::minmax_element(grid->codes.begin(), grid->codes.end());
    const int zero = std::max(0, -int{*lo});
    if (*hi + zero > static_cast<int>(kMaxByte)) return false;
    max_ulp_ = std::max(max_ulp_, grid->max_ulp);
    for (size_t i = first; i < end; ++i) {
      const size_t at = i * n_ + channel;
      const auto level = std::lower_bound(
          levels_.begin(), levels_.end(), weights_[at],
          [](const Level& l, float value) { return l.value < value; });
      const int16_t code =
          grid->codes[static_cast<size_t>(level - levels_.begin())];
      parts_.codes[at] = static_cast<float>(code + zero);
      parts_.scales[at] = grid->scale;
      parts_.zeros[at] = static_cast<float>(zero);
    }
    return true;
  }

  const std::vector<float>& weights_;
  size_t k_, n_;
  WeightParts parts_;
  double max_ulp_ = 0;
  std::vector<float> values_;
  std::vector<Level> levels_;
};

}  // namespace

bool GroupedWeights::HasByteZeros() const {
  return !zeros.empty() && AllIntegers(zeros, 0, kMaxByte);
}

std::string GroupedWeights::Text() const {
  const std::string codes =
      NameOfType(type) + (zeros.empty() ? "" : " with zero points");
  const std::string error =
      max_ulp == 0 ? "exact" : fmt::format("{:.2g} ulp", max_ulp);
  return block * channels == values.size()
             ? codes + ", " + error
             : fmt::format("{}, groups of {}, {}", codes, block, error);
}

std::optional<GroupedWeights> GroupWeights(const WeightParts& parts, size_t k,
                                           size_t n) {
  if (!AllIntegers(parts.codes, kMinByte, kMaxByte)) return std::nullopt;
  GroupedWeights groups;
  groups.channels = n;
  groups.block = BlockOf(parts, k, n);
  if (groups.block < std::min(kMinBlock, k)) return std::nullopt;
  groups.scales = PerGroup(parts.scales, k, n, groups.block);
  // Differences of integers are exact: the zero points need not be kept.
  const bool whole = AllIntegers(parts.zeros, -kMaxByte, kMaxByte);
  std::optional<runtime::CodeType> folded;
  if (whole) {
    groups.values = Codes(parts, k, n, 0, parts.zeros);
    folded = TypeOf(groups.values);
  }
  const float least = *std::min_element(parts.codes.begin(), parts.codes.end());
  const float offset = whole ? least : 0;  // exact, too
  std::vector<int16_t> values = Codes(parts, k, n, offset, {});
  const std::optional<runtime::CodeType> kept = TypeOf(values);
  if (!kept) return std::nullopt;
  groups.type = *kept;
  if (folded && (parts.zeros.empty() || folded->bits <= kept->bits)) {
    groups.type = *folded;
    return groups;
  }
  groups.values = std::move(values);
  groups.zeros = PerGroup(parts.zeros, k, n, groups.block);
  for (float& zero : groups.zeros) zero -= offset;
  return groups;
}

std::optional<GroupedWeights> GroupsByValue(const std::vector<float>& weights,
                                            size_t k, size_t n) {
  if (k <= kBlocks.back() || weights.size() != k * n) return std::nullopt;
  BlockFitter fitter(weights, k, n);
  for (size_t block : kBlocks) {
    if (block >= k || !fitter.Fit(block)) continue;
    std::optional<GroupedWeights> groups = GroupWeights(fitter.parts(), k, n);
    if (groups) groups->max_ulp = fitter.max_ulp();
    return groups;
  }
  return std::nullopt;
}

bool StandFor(const GroupedWeights& groups, const std::vector<float>& weights) {
  const size_t size = groups.values.size();
  if (weights.size() != size || size == 0) return false;
  const size_t n = groups.channels;
  const size_t k = size / n, count = groups.scales.size() / n;
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = 0; i < k; ++i) {
      const size_t g = j * count + i / groups.block;
      auto code = static_cast<float>(groups.values[j * k + i]);
      if (!groups.zeros.empty()) code -= groups.zeros[g];
      if (!SameBits(code * groups.scales[g], weights[i * n + j])) return false;
    }
  }
  return true;
}

}  // namespace bittern::convert
