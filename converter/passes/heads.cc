#include "converter/passes/heads.h"

namespace bittern::convert {

HeadLayout LayoutOf(const Graph& graph, ValueId x) {
  const Shape shape = *StaticShape(graph, x);
  const HeadLayout row{shape, shape};
  if (shape.rank() != 4) return row;
  ValueId source = x;
  while (const Node* norm = ProducerIf(graph, source, "LayerNorm")) {
    source = norm->inputs[0];
  }
  const Node* view = ProducerIf(graph, source, "Reshape");
  if (view == nullptr) return row;
  const std::optional<Shape> flat = StaticShape(graph, view->inputs[0]);
  const Shape expected{shape[0], shape[1], shape[2] * shape[3]};
  if (!flat || *flat != expected) return row;
  return {shape, expected, shape[2], shape[3]};
}

}  // namespace bittern::convert
