// Types of nodes whose sizes only the run knows: dimensions of -1 (see
// runtime/plan/stages.h for how such models run).
#pragma once

#include "converter/ir/graph.h"

namespace bittern::convert {

// Whether an input has a dimension of -1, a value that the operator is planned
// by is no constant, or the node has bodies.
bool HasUnknownSizes(const Graph& graph, const Node& node);

// Sets the types of the outputs of such a node. Where values are missing, the
// operator's rule says which dimensions they are; else its Infer is asked with
// many sizes in the place of -1, and what differs is -1. An error where no size
// that was tried fits.
Result<void> InferUnknownSizes(Graph& graph, NodeId id);

}  // namespace bittern::convert
