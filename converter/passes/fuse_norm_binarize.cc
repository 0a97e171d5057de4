// LayerNorm -> Binarize becomes LayerNormBinarize, which writes no float
// tensor. A LayerNorm that somebody else reads stays.
#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {

Result<void> FuseNormBinarize(Graph& graph, PassContext&) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed || graph.node(id).op != "Binarize") continue;
    const ValueId x = graph.node(id).inputs[0];
    const Node* norm = ProducerIf(graph, x, "LayerNorm");
    if (norm == nullptr || !OnlyUser(graph, x)) continue;
    std::vector<ValueId> inputs = norm->inputs;
    AttributeMap attributes = graph.node(id).attributes;
    attributes["epsilon"] = FloatOf(*norm, "epsilon", 1e-5f);
    if (inputs.size() < 3) {
      const auto width = static_cast<size_t>(StaticShape(graph, x)->Last());
      inputs.push_back(AddVector(graph, norm->name + ".beta",
                                 std::vector<float>(width, 0.0f)));
    }
    const std::vector<ValueId>& own = graph.node(id).inputs;
    inputs.insert(inputs.end(), own.begin() + 1, own.end());
    BITTERN_TRY(Rewrite(graph, id, "LayerNormBinarize", inputs, attributes));
  }
  return {};
}

}  // namespace bittern::convert
