// Gives every matrix product and convolution a name of its own: rows of the
// report are found by it, and files may leave names out or use one twice.
#include <unordered_set>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {

Result<void> NameProducts(Graph& graph, PassContext&) {
  std::unordered_set<std::string> taken;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    Node& node = graph.node(static_cast<NodeId>(i));
    if (node.removed || (node.op != "MatMul" && node.op != "Conv")) continue;
    if (node.name.empty()) node.name = graph.value(node.outputs[0]).name;
    const std::string stem = node.name;
    for (int suffix = 2; !taken.insert(node.name).second; ++suffix) {
      node.name = stem + "." + std::to_string(suffix);
    }
  }
  return {};
}

}  // namespace bittern::convert
