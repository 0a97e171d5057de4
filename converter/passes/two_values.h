// Weights whose rows hold two values each, {a, b}, on no common grid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "converter/passes/value_set.h"
#include "converter/passes/weight_groups.h"

namespace bittern::convert {

// w[n][k] = near[n] or far[n], |near| <= |far|, up to the noise of whoever
// folded them; a row of one value has it as near.
struct TwoValuedWeights {
  std::vector<float> near, far;  // [n]
  std::vector<int16_t> is_far;   // [n][k], 0 or 1

  // As middle[n] + half[n] * t with t = -1 or +1: codes of the products by
  // low-bit activations, which need the sum of each row of these, too.
  struct Signs {
    WeightCodes codes;  // bipolar, scales are half; max_ulp is of the largest
    std::vector<float> middle;
  };
  Signs AsSigns() const;
  // As fl(fl(u - zero) * scale) with u = 0 or 1, for float activations.
  GroupedWeights AsGroup() const;
};

// `weights` row-major [k][n]; nothing if some row has more values, or
// fewer than four inputs.
std::optional<TwoValuedWeights> ClassifyTwoValues(
    const std::vector<float>& weights, size_t k, size_t n);

}  // namespace bittern::convert
