// Makes the body of an If or Loop from nodes that were added to a graph.
#pragma once

#include <memory>
#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

struct CutBody {
  std::shared_ptr<const Graph> graph;  // inputs: those given, then captured
  std::vector<ValueId> captured;       // values of `graph` that it reads
};

// Copies what `outputs` need of the nodes [first, last), which read `inputs`
// (values that nothing makes), constants, and values made before.
CutBody CutBodyFrom(const Graph& graph, size_t first, size_t last,
                    const std::vector<ValueId>& inputs,
                    const std::vector<ValueId>& outputs);

// Gives bodies without inputs of their own one list of captured values: those
// of all, each once. Returns them.
std::vector<ValueId> JoinCaptured(std::vector<CutBody>& bodies);

}  // namespace bittern::convert
