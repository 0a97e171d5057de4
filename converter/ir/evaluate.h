// Types and values of nodes, computed by the runtime's own ops: shape inference
// and constant folding share them.
#pragma once

#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

// Sets the type of every value, in topological order, by each op's Infer. An
// error names the node.
Result<void> InferTypes(Graph& graph);

// The same for one node, whose inputs have types.
Result<void> InferNode(Graph& graph, NodeId node);

// Bytes that the outputs of one evaluated node may have unless its inputs have
// more: a small file must not make a big allocation.
inline constexpr size_t kMaxEvaluatedBytes = size_t{1} << 29;

// Runs one node on constant inputs through the runtime op. All inputs must be
// constants.
Result<std::vector<ConstantData>> EvaluateNode(const Graph& graph,
                                               const Node& node);

// The graph as a runtime model (every node must be a runtime op, every type
// known). Value names become tensor names.
Result<runtime::ModelDef> ToModelDef(const Graph& graph,
                                     std::vector<ConstantData>* keep_alive);

}  // namespace bittern::convert
