// Constants per channel that multiply, divide and shift what a convolution
// gives: its scale, a BatchNormalization or what one was spelled as.
#pragma once

#include <vector>

#include "converter/passes/edit.h"

namespace bittern::convert {

// y = x * factor[c] + offset[c].
struct ChannelAffine {
  std::vector<double> factor, offset;
  NodeId last = kNone;  // makes y; kNone: no such node follows x
};

// What follows the NCHW image `id` and nobody else reads.
ChannelAffine MatchChannelAffine(const Graph& graph, ValueId id);

}  // namespace bittern::convert
