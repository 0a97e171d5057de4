// Row by row: the distinct values, the grid they lie on, and its codes; then
// the narrowest encoding that holds the codes of all rows.
#include "converter/passes/value_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>

#include "converter/passes/level_grid.h"

namespace bittern::convert {
namespace {

using runtime::Encoding;

// Encodings by what a weight takes in the file; odd ones have no 0.
struct Form {
  const char* name;
  Encoding encoding;
  uint8_t bits;
  int lo, hi;
  bool odd;
};
constexpr Form kForms[] = {
    {"1 bit +-s", Encoding::kBipolar, 1, -1, 1, true},
    {"1 bit {0,s}", Encoding::kUnsigned, 1, 0, 1, false},
    {"ternary", Encoding::kTernary, 2, -1, 1, false},
    {"2 bit odd", Encoding::kBipolar2, 2, -3, 3, true},
    {"2 bit signed", Encoding::kSigned, 2, -2, 1, false},
    {"2 bit unsigned", Encoding::kUnsigned, 2, 0, 3, false},
    {"3 bit signed", Encoding::kSigned, 3, -4, 3, false},
    {"3 bit unsigned", Encoding::kUnsigned, 3, 0, 7, false},
    {"3 bit odd", Encoding::kBipolar2, 3, -7, 7, true},
    {"4 bit signed", Encoding::kSigned, 4, -8, 7, false},
    {"4 bit unsigned", Encoding::kUnsigned, 4, 0, 15, false},
    {"4 bit odd", Encoding::kBipolar2, 4, -15, 15, true},
    {"8 bit signed", Encoding::kSigned, 8, -128, 127, false},
    {"8 bit unsigned", Encoding::kUnsigned, 8, 0, 255, false},
    // 8-bit codes less a zero point; stored in 16 bits.
    {"8 bit with zero point", Encoding::kSigned, 16, -511, 511, false},
};

constexpr size_t kMaxCodebook = 256;  // values of a row

// Codes of one row.
struct Extent {
  int lo = 0, hi = 0;
  bool odd = true;  // all of them
};

bool Fits(const Form& form, const Extent& row, bool mirrored) {
  if (row.lo == 0 && row.hi == 0) return true;  // the scale is 0
  if (form.odd && !row.odd) return false;
  const int lo = mirrored ? -row.hi : row.lo;
  const int hi = mirrored ? -row.lo : row.hi;
  return form.lo <= lo && hi <= form.hi;
}

// Of equal widths one that needs no mirrored rows.
const Form* NarrowestForm(const std::vector<Extent>& rows) {
  const Form* best = nullptr;
  for (const Form& form : kForms) {
    if (best != nullptr && form.bits > best->bits) break;
    const auto all = [&](bool may_mirror) {
      return std::all_of(rows.begin(), rows.end(), [&](const Extent& row) {
        return Fits(form, row, false) || (may_mirror && Fits(form, row, true));
      });
    };
    if (all(false)) return &form;
    if (best == nullptr && all(true)) best = &form;
  }
  return best;
}

// Distinct floats of a row by open addressing. More than kMaxDistinct are no
// 8-bit weights, even with the noise of an estimator.
class DistinctValues {
 public:
  static constexpr size_t kMaxDistinct = 1024;

  // False if there are too many.
  bool Read(const float* row, size_t k) {
    ++stamp_;
    values_.clear();
    index_.resize(k);
    for (size_t i = 0; i < k; ++i) {
      const size_t slot = Find(row[i]);
      if (stamps_[slot] != stamp_) {
        if (values_.size() == kMaxDistinct) return false;
        stamps_[slot] = stamp_;
        slots_[slot] = static_cast<uint16_t>(values_.size());
        values_.push_back({row[i], 0});
      }
      index_[i] = slots_[slot];
      ++values_[slots_[slot]].count;
    }
    return true;
  }

  const std::vector<Level>& values() const { return values_; }  // as met
  uint16_t IndexOf(size_t i) const { return index_[i]; }

 private:
  static constexpr size_t kSlots = 4 * kMaxDistinct;

  size_t Find(float value) const {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    constexpr uint32_t kGolden = 0x9E3779B1;
    size_t slot = bits * kGolden >> 20;  // 12 bits
    while (stamps_[slot] == stamp_ && std::memcmp(&values_[slots_[slot]].value,
                                                  &value, sizeof(value)) != 0) {
      slot = (slot + 1) % kSlots;
    }
    return slot;
  }

  uint32_t stamp_ = 0;
  std::array<uint32_t, kSlots> stamps_{};
  std::array<uint16_t, kSlots> slots_{};
  std::vector<Level> values_;
  std::vector<uint16_t> index_;
};

class Classifier {
 public:
  Classifier(size_t k, size_t n) : k_(k) {
    result_.values.resize(n * k);
    result_.scales.reserve(n);
  }

  // Why the row is no row of codes; empty if it is.
  std::string Row(const float* row, size_t index) {
    if (!std::all_of(row, row + k_, [](float w) { return std::isfinite(w); })) {
      return fmt::format("weight row {} has a value that is not finite", index);
    }
    if (!distinct_.Read(row, k_)) {
      return fmt::format("float weights: row {} has more than {} values", index,
                         DistinctValues::kMaxDistinct);
    }
    std::vector<uint16_t> order(distinct_.values().size());
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = static_cast<uint16_t>(i);
    }
    const auto& values = distinct_.values();
    std::sort(order.begin(), order.end(), [&values](uint16_t a, uint16_t b) {
      return values[a].value < values[b].value;
    });
    std::vector<Level> levels;
    for (uint16_t i : order) levels.push_back(values[i]);
    const std::optional<LevelGrid> grid = FitGrid(levels);
    if (!grid) {
      const bool few = levels.size() <= kMaxCodebook && 2 * levels.size() <= k_;
      return fmt::format(
          "float weights: the {} values of row {} lie on no integer grid{}",
          levels.size(), index, few ? ", a codebook" : "");
    }
    Take(*grid, order, index);
    return "";
  }

  // The encoding, with the codes of mirrored rows negated.
  WeightCodes Finish() {
    const Form* form = NarrowestForm(rows_);
    if (form == nullptr) {
      result_.reason = "the integers behind the weights have no encoding";
      return std::move(result_);
    }
    result_.type = {form->encoding, form->bits, 0};
    for (size_t j = 0; j < rows_.size(); ++j) {
      int16_t* values = &result_.values[j * k_];
      if (result_.scales[j] == 0 && form->odd) std::fill_n(values, k_, 1);
      if (Fits(*form, rows_[j], false)) continue;
      result_.scales[j] = -result_.scales[j];
      for (size_t i = 0; i < k_; ++i) {
        values[i] = static_cast<int16_t>(-values[i]);
      }
    }
    return std::move(result_);
  }

 private:
  void Take(const LevelGrid& grid, const std::vector<uint16_t>& order,
            size_t index) {
    std::vector<int16_t> code_of(order.size());
    Extent extent;
    for (size_t i = 0; i < order.size(); ++i) {
      code_of[order[i]] = grid.codes[i];
      extent.odd = extent.odd && grid.codes[i] % 2 != 0;
    }
    const auto [lo, hi] =
        std::minmax_element(grid.codes.begin(), grid.codes.end());
    extent.lo = *lo;
    extent.hi = *hi;
    int16_t* values = &result_.values[index * k_];
    for (size_t i = 0; i < k_; ++i) values[i] = code_of[distinct_.IndexOf(i)];
    result_.scales.push_back(grid.scale);
    result_.max_ulp = std::max(result_.max_ulp, grid.max_ulp);
    rows_.push_back(extent);
  }

  size_t k_;
  WeightCodes result_;
  std::vector<Extent> rows_;
  DistinctValues distinct_;
};

}  // namespace

std::optional<runtime::CodeType> NarrowestType(int lo, int hi) {
  for (const Form& form : kForms) {
    if (!form.odd && form.bits <= 8 && form.lo <= lo && hi <= form.hi) {
      return runtime::CodeType{form.encoding, form.bits, 0};
    }
  }
  return std::nullopt;
}

std::string NameOfType(const runtime::CodeType& type) {
  for (const Form& form : kForms) {
    if (form.encoding == type.encoding && form.bits == type.bits) {
      return form.name;
    }
  }
  return "f32";
}

std::string WeightCodes::Text() const {
  if (!reason.empty()) return "f32";
  const std::string name = NameOfType(type);
  return max_ulp == 0 ? name + ", exact"
                      : fmt::format("{}, {:.2g} ulp", name, max_ulp);
}

WeightCodes ClassifyWeights(const std::vector<float>& weights, size_t k,
                            size_t n) {
  WeightCodes failed;
  if (k == 0 || n == 0) {
    failed.reason = "the weight matrix is empty";
    return failed;
  }
  // Columns are gathered a cache line at a time.
  constexpr size_t kBlock = 16;
  std::vector<float> block(kBlock * k);
  Classifier classifier(k, n);
  for (size_t first = 0; first < n; first += kBlock) {
    const size_t count = std::min(kBlock, n - first);
    for (size_t i = 0; i < k; ++i) {
      for (size_t j = 0; j < count; ++j) {
        block[j * k + i] = weights[i * n + first + j];
      }
    }
    for (size_t j = 0; j < count; ++j) {
      failed.reason = classifier.Row(&block[j * k], first + j);
      if (!failed.reason.empty()) return failed;
    }
  }
  return classifier.Finish();
}

WeightCodes ClassifyRows(const std::vector<float>& weights, size_t n) {
  WeightCodes failed;
  if (n == 0 || weights.empty()) {
    failed.reason = "the weight matrix is empty";
    return failed;
  }
  const size_t k = weights.size() / n;
  Classifier classifier(k, n);
  for (size_t j = 0; j < n; ++j) {
    failed.reason = classifier.Row(&weights[j * k], j);
    if (!failed.reason.empty()) return failed;
  }
  return classifier.Finish();
}

}  // namespace bittern::convert
