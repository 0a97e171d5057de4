// The integer grid behind a set of float levels: level[i] = fl(code[i] * scale)
// up to noise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace bittern::convert {

struct Level {
  float value;
  size_t count;  // how often it occurs
};

struct LevelGrid {
  float scale = 0;             // > 0; 0 if every level is 0
  std::vector<int16_t> codes;  // of the levels, without a common divisor
  double max_ulp = 0;          // distance from fl(code * scale)
};

// Codes reach at most 511: 8 bits less a zero point. `levels` are finite,
// distinct and ascending. Neighbours within the noise are one level: 4 ulp, or,
// if that gives no grid, what a straight-through estimator leaves (it scales
// with the latent weight, which is at most 1, not with the level).
std::optional<LevelGrid> FitGrid(const std::vector<Level>& levels);

}  // namespace bittern::convert
