// The modes fast16 and fast8 of an activation scale per input channel: scales
// and weights together become wider weights.
#pragma once

#include <cstdint>
#include <vector>

#include "converter/passes/activation.h"
#include "converter/passes/pass.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {

// y[n] = scales[n] * sum_k code[k] values[n][k] + bias[n] in place of
// sum_k (code[k] - zero[k]) a[k] s[n] q[n][k].
struct FoldedWeights {
  runtime::CodeType type;       // 16 or 8 bits, signed
  std::vector<float> scales;    // [n]: the largest a[k] s[n] q[n][k], over the
                                // largest value
  std::vector<int16_t> values;  // [n * k], rounded half to even
  std::vector<double> bias;     // [n]: -sum_k zero[k] a[k] s[n] q[n][k]
};

// The type of the weights of a mode that is not exact.
runtime::CodeType FoldedType(InputScale mode);

// `activation` is per column, or per input channel of a convolution of one
// group, whose rows of weights have the channels last: k counts its taps, and a
// and zero are those of channel k mod C. Requires that MaxK of the types holds
// the sums.
FoldedWeights FoldInputScales(const Activation& activation,
                              const WeightCodes& weights, InputScale mode);

}  // namespace bittern::convert
