// The batch left open in the file. Passes work on static shapes, so a graph
// whose inputs declare an open first dimension is converted for a batch of one;
// here the finished graph is widened again, if it can be.
#pragma once

#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

// `open` says which graph inputs declare an open first dimension. Where every
// op carries the batch along one dimension, the shapes that hold it become -1,
// Reshape's sizes follow, and constants that meet the batch get an ExpandLike.
// The result is run: a batch of three random samples must give the bits of the
// three alone. Else the graph stays as it is, for a batch of one. A note says
// what was done and why.
Result<void> OpenBatch(Graph& graph, const std::vector<bool>& open);

}  // namespace bittern::convert
