// Removes nodes whose output is their input: Identity, Cast to the same type,
// Reshape and Expand to the same shape, Transpose that moves nothing; and
// merges a Reshape of a Reshape. (Dropout arrives as Identity from the
// importer.)
#include <algorithm>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

bool KeepsType(const Graph& graph, const Node& node) {
  const std::optional<TensorType>& before = graph.value(node.inputs[0]).type;
  const std::optional<TensorType>& after = graph.value(node.outputs[0]).type;
  return before && after && *before == *after && before->shape.IsStatic();
}

bool IsIdentity(const Graph& graph, const Node& node) {
  if (node.op == "Identity") return true;
  if (node.op == "Cast" || node.op == "Reshape" || node.op == "Expand" ||
      node.op == "Flatten" || node.op == "Squeeze" || node.op == "Unsqueeze") {
    return KeepsType(graph, node);
  }
  if (node.op == "Transpose") {
    const std::vector<int64_t> perm = IntsOf(node, "perm");
    return !perm.empty() && std::is_sorted(perm.begin(), perm.end());
  }
  return false;
}

// Reshape(Reshape(x)): the outer one alone says the result. A 0 in its target
// would copy a dimension of the inner shape, so those stay.
void SkipInnerReshape(Graph& graph, Node& node) {
  const Node* inner = ProducerIf(graph, node.inputs[0], "Reshape");
  if (node.op != "Reshape" || inner == nullptr) return;
  for (int64_t dim : graph.I64(node.inputs[1])) {
    if (dim <= 0) return;
  }
  if (graph.IsConstant(node.inputs[1])) node.inputs[0] = inner->inputs[0];
}

}  // namespace

Result<void> EraseIdentity(Graph& graph, PassContext&) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    Node& node = graph.node(id);
    if (node.removed || node.inputs.empty() || node.outputs.size() != 1) {
      continue;
    }
    SkipInnerReshape(graph, node);
    if (!IsIdentity(graph, node)) continue;
    const ValueId from = node.outputs[0];
    const ValueId to = node.inputs[0];
    graph.ReplaceUses(from, to);
    graph.RemoveNode(id);
  }
  return {};
}

}  // namespace bittern::convert
