// Removes what training leaves behind in an exported graph: the
// straight-through estimator y - g + g with y a sign or a rounded value (exact
// in fp32 for activations, noise of a few ulp for weights), and the gradient
// scale t - t*c + t*c. The stand-in g, for Bi-Real nets a ladder of 20 nodes,
// dies as dead code. Runs before constants are folded, when y can still be
// recognised.
#include <fmt/format.h>

#include "converter/passes/few_levels.h"
#include "converter/passes/passes.h"
#include "converter/passes/value_numbers.h"

namespace bittern::convert {
namespace {

class Collapser {
 public:
  explicit Collapser(Graph& graph) : graph_(graph), same_(graph) {}

  void Visit(const Node& node) {
    if (node.op == "Add") {
      for (size_t i = 0; i < 2; ++i) {
        const Node* sub = ProducerIf(graph_, node.inputs[i], "Sub");
        if (sub == nullptr) continue;
        Collapse(node, sub->inputs[0], sub->inputs[1], node.inputs[1 - i]);
      }
    } else if (node.op == "Sub") {
      const Node* add = ProducerIf(graph_, node.inputs[0], "Add");
      if (add == nullptr) return;
      for (size_t i = 0; i < 2; ++i) {
        Collapse(node, add->inputs[i], add->inputs[1 - i], node.inputs[1]);
      }
    }
  }

  int residues() const { return residues_; }
  int gradient_scales() const { return gradient_scales_; }

 private:
  // `node` is y with g taken away and h added back: y, if g and h are the same.
  void Collapse(const Node& node, ValueId y, ValueId g, ValueId h) {
    if (!same_.Same(g, h)) return;
    // Broadcasting of g can make the result larger than y: those stay.
    const std::optional<Shape> before = StaticShape(graph_, node.outputs[0]);
    const std::optional<Shape> after = StaticShape(graph_, y);
    if (before && after && *before != *after) return;
    if (HasFewLevels(graph_, y)) {
      ++residues_;
    } else if (IsGradientScale(y, g)) {
      ++gradient_scales_;
    } else {
      return;
    }
    graph_.ReplaceUses(node.outputs[0], y);
  }

  // g = t * c of a parameter y = t.
  bool IsGradientScale(ValueId y, ValueId g) const {
    const Node* product = ProducerIf(graph_, g, "Mul");
    return product != nullptr && IsParameter(graph_, y) &&
           (same_.Same(product->inputs[0], y) ||
            same_.Same(product->inputs[1], y));
  }

  Graph& graph_;
  ValueNumbers same_;
  int residues_ = 0, gradient_scales_ = 0;
};

}  // namespace

Result<void> CollapseResidue(Graph& graph, PassContext&) {
  Collapser collapser(graph);
  for (const Node& node : graph.nodes()) {
    if (!node.removed) collapser.Visit(node);
  }
  if (collapser.residues() > 0) {
    graph.notes.push_back(
        fmt::format("straight-through residues removed (y - g + g): {}",
                    collapser.residues()));
  }
  if (collapser.gradient_scales() > 0) {
    graph.notes.push_back(
        fmt::format("gradient scales removed (t - t*c + t*c): {}",
                    collapser.gradient_scales()));
  }
  return {};
}

}  // namespace bittern::convert
