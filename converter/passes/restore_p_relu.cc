// Where(x < 0, x * slope, x) that no epilogue has taken becomes PRelu: one walk
// over the values instead of three. The same bits: a NaN is no less than 0 and
// stays.
#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {

Result<void> RestorePRelu(Graph& graph, PassContext&) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& where = graph.node(id);
    if (where.removed || where.op != "Where") continue;
    const ValueId x = where.inputs[2];
    const Node* less = ProducerIf(graph, where.inputs[0], "Less");
    const Node* mul = ProducerIf(graph, where.inputs[1], "Mul");
    const auto shape = StaticShape(graph, x);
    if (less == nullptr || mul == nullptr || less->inputs[0] != x ||
        !IsScalar(graph, less->inputs[1], 0) ||
        (mul->inputs[0] != x && mul->inputs[1] != x) || !shape ||
        StaticShape(graph, where.outputs[0]) != shape ||
        graph.value(x).type->dtype != runtime::DType::kF32) {
      continue;
    }
    BITTERN_TRY(Rewrite(graph, id, "PRelu", {x, OtherInput(*mul, x)}, {}));
  }
  return {};
}

}  // namespace bittern::convert
