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
    const ValueId slope = where.removed ? kNone : SlopeOf(graph, where);
    if (slope == kNone) continue;
    const ValueId x = where.inputs[2];
    const auto shape = StaticShape(graph, x);
    if (!shape || StaticShape(graph, where.outputs[0]) != shape ||
        graph.value(x).type->dtype != runtime::DType::kF32) {
      continue;
    }
    BITTERN_TRY(Rewrite(graph, id, "PRelu", {x, slope}, {}));
  }
  return {};
}

}  // namespace bittern::convert
