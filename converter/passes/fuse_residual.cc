// The residual addition behind a low-bit linear moves into it:
// Add(x, LowBitLinear(...)) -> LowBitLinear(..., residual x).
#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// The input of the Add `node` that is a linear which only it reads.
ValueId LinearOperand(const Graph& graph, const Node& node) {
  for (size_t i = 0; i < 2; ++i) {
    const ValueId y = node.inputs[i];
    const ValueId residual = node.inputs[1 - i];
    if (PlainLowBitProduct(graph, y) == nullptr ||
        ProducerIf(graph, y, "LowBitLinear") == nullptr ||
        !OnlyUser(graph, y)) {
      continue;
    }
    const std::optional<TensorType>& type = graph.value(residual).type;
    if (!graph.IsConstant(residual) && type && *type == *graph.value(y).type) {
      return y;
    }
  }
  return kNone;
}

}  // namespace

Result<void> FuseResidual(Graph& graph, PassContext&) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed || node.op != "Add") continue;
    const ValueId y = LinearOperand(graph, node);
    if (y == kNone) continue;
    const Node& linear = *graph.Producer(y);
    std::vector<ValueId> inputs = LowBitInputsOf(linear);
    inputs[kResidualInput] = OtherInput(node, y);
    TrimAbsent(inputs);
    const AttributeMap attributes = linear.attributes;
    graph.node(id).name = linear.name;
    BITTERN_TRY(Rewrite(graph, id, "LowBitLinear", inputs, attributes));
  }
  return {};
}

}  // namespace bittern::convert
