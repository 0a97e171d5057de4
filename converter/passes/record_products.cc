// Products of two activations that no attention took get a record that says
// what they multiply, so that codes are not reported as floats.
#include <algorithm>

#include "converter/passes/few_levels.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

std::string ReasonOf(const Graph& graph, const Node& product) {
  const auto any = [&](const auto& is) {
    return is(graph, product.inputs[0]) || is(graph, product.inputs[1]);
  };
  if (any(IsLogarithmic)) {
    return "codes of a logarithmic quantiser (A11) are exponents, which no "
           "kernel sums";
  }
  if (any(HasFewLevels)) {
    return "its codes are not those of an attention around a softmax";
  }
  return "both operands are float activations";
}

}  // namespace

Result<void> RecordProducts(Graph& graph, PassContext& context) {
  for (const Node& node : graph.nodes()) {
    if (node.removed || node.op != "MatMul" ||
        graph.IsConstant(node.inputs[0]) || graph.IsConstant(node.inputs[1])) {
      continue;
    }
    const bool known = std::any_of(
        context.layers.begin(), context.layers.end(),
        [&node](const LayerRecord& l) { return l.name == node.name; });
    if (known) continue;
    LayerRecord record;
    record.name = node.name;
    record.op = node.op;
    record.weights = record.activations = "f32";
    record.reason = ReasonOf(graph, node);
    context.layers.push_back(std::move(record));
  }
  return {};
}

}  // namespace bittern::convert
