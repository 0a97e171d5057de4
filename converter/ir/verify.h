// What must hold of a converter graph between passes. Tests run it after every
// pass; a failure is a bug of the pass or importer named in the message.
#pragma once

#include "converter/ir/graph.h"

namespace bittern::convert {

// Ids in range, names unique, one producer per value and nodes in topological
// order, constants with a type and enough bytes, outputs named, and every node
// as CheckNode says.
Result<void> VerifyGraph(const Graph& graph);

// The node's operator exists, its input and output counts and its attributes
// are as the operator declares.
Result<void> CheckNode(const Node& node);

}  // namespace bittern::convert
