// Weights whose scale and zero point belong to a group of successive inputs of
// an output channel: w = fl(fl(code - zero) * scale).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/tensor.h"

namespace bittern::convert {

struct GroupedWeights {
  runtime::CodeType type;
  size_t channels = 0;          // n
  size_t block = 0;             // inputs of a group; the last may have fewer
  std::vector<int16_t> values;  // codes, [n][k]
  std::vector<float> scales;    // [n][ceil(k / block)]
  std::vector<float> zeros;     // likewise, or empty
  double max_ulp = 0;           // of a weight from what they stand for

  // Whether every zero point is an integer of 0 to 255.
  bool HasByteZeros() const;
  // "4 bit unsigned, groups of 32, exact"; "... 1 ulp".
  std::string Text() const;
};

// A weight matrix [k][n] as it is computed, element by element.
struct WeightParts {
  std::vector<float> codes, scales;
  std::vector<float> zeros;  // empty: none
};

// The groups of a matrix of integer codes, with zero points folded into the
// codes where that makes these no wider. Nothing if the codes are no integers
// of 8 bits, or the scales change too often. One scale for each channel is one
// group.
std::optional<GroupedWeights> GroupWeights(const WeightParts& parts, size_t k,
                                           size_t n);

// The groups of float weights [k][n] that someone has folded: blocks of 16, 32
// ... 256 inputs whose values lie on a grid each, up to its noise. The largest
// blocks that do; nothing if none.
std::optional<GroupedWeights> GroupsByValue(const std::vector<float>& weights,
                                            size_t k, size_t n);

// Whether they stand for `weights` [k][n], bit by bit.
bool StandFor(const GroupedWeights& groups, const std::vector<float>& weights);

}  // namespace bittern::convert
