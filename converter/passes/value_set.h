// What values the rows of a weight matrix take: trained low-bit weights reach
// ONNX as floats, and only their sets of values give them away.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace bittern::convert {

// Rows of weights that are all +s or -s, up to the float noise of an estimator
// that somebody else has folded.
struct BipolarMatrix {
  std::vector<float> scales;   // [n], s >= 0: the row's most frequent magnitude
  std::vector<bool> positive;  // [n * k], row-major
  double max_ulp = 0;          // largest distance of a magnitude from its s
  std::string reason;  // why the rows are not bipolar; empty if they are
};

// `weights` row-major [k][n]: output channels are columns, as in MatMul.
BipolarMatrix ClassifyBipolar(const std::vector<float>& weights, size_t k,
                              size_t n);

}  // namespace bittern::convert
