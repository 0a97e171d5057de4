// Codes that nothing but a Dequantize reads bring nothing: Binarize ->
// Dequantize without scales goes back to the Sign it was.
#include <algorithm>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

bool IsPlain(const Node& node, std::string_view op) {
  return !node.removed && node.op == op && node.inputs.size() == 1;
}

}  // namespace

Result<void> RestoreSigns(Graph& graph, PassContext&) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const Node& binarize = graph.node(static_cast<NodeId>(i));
    if (!IsPlain(binarize, "Binarize")) continue;
    const ValueId x = binarize.inputs[0];
    const std::vector<NodeId> users = graph.Users(binarize.outputs[0]);
    const bool all_plain =
        std::all_of(users.begin(), users.end(), [&graph](NodeId user) {
          return IsPlain(graph.node(user), "Dequantize");
        });
    if (!all_plain || graph.UseCount(binarize.outputs[0]) != users.size()) {
      continue;
    }
    for (NodeId user : users) {
      BITTERN_TRY(Rewrite(graph, user, "Sign", {x}, {}));
    }
  }
  return {};
}

}  // namespace bittern::convert
