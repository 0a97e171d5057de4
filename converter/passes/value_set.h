// What values the rows of a weight matrix take: trained low-bit weights reach
// ONNX as floats, and only their sets of values give them away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/tensor.h"

namespace bittern::convert {

// Weights whose rows are small integers times a scale of the row, up to the
// float noise of whoever folded them.
struct WeightCodes {
  runtime::CodeType type;       // the narrowest that holds every row
  std::vector<float> scales;    // [n]; negative where codes are mirrored
  std::vector<int16_t> values;  // [n * k], row-major: what the codes stand for
  double max_ulp = 0;  // largest distance of a weight from fl(value * scale)
  std::string reason;  // why the rows are no such thing; empty if they are

  // "1 bit +-s", "ternary", "4 bit signed"... and how exact.
  std::string Text() const;
};

// The narrowest encoding of at most 8 bits, with 0 among its values, that holds
// lo..hi.
std::optional<runtime::CodeType> NarrowestType(int lo, int hi);
// "4 bit signed".
std::string NameOfType(const runtime::CodeType& type);

// `weights` row-major [k][n]: output channels are columns, as in MatMul.
WeightCodes ClassifyWeights(const std::vector<float>& weights, size_t k,
                            size_t n);
// The same of `weights` row-major [n][k], as in Conv.
WeightCodes ClassifyRows(const std::vector<float>& weights, size_t n);

}  // namespace bittern::convert
