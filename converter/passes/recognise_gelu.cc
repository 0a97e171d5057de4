// GELU written with erf becomes one node, whichever way the exporter associates
// the product x * 0.5 * (erf(x / sqrt 2) + 1). Both forms are evaluated on a
// sample before the rewrite.
#include <fmt/format.h>

#include <cmath>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"
#include "converter/passes/sampler.h"
#include "converter/passes/value_numbers.h"

namespace bittern::convert {
namespace {

constexpr float kTolerance = 1e-5f;  // the forms differ in rounding only
constexpr float kSqrtHalf = 0.70710678f;

// Factors of the product whose root is `node`, looking through products that
// nobody else reads.
void CollectFactors(const Graph& graph, const Node& node, int depth,
                    std::vector<ValueId>& factors) {
  for (ValueId input : node.inputs) {
    const Node* inner = ProducerIf(graph, input, "Mul");
    if (inner != nullptr && depth > 0 && OnlyUser(graph, input)) {
      CollectFactors(graph, *inner, depth - 1, factors);
    } else {
      factors.push_back(input);
    }
  }
}

// x if `id` is erf(x / sqrt 2) + 1.
ValueId ErfArgument(const Graph& graph, ValueId id) {
  const Node* add = ProducerIf(graph, id, "Add");
  if (add == nullptr) return kNone;
  const ValueId one = ConstantOperand(graph, *add);
  if (one == kNone || !IsScalar(graph, one, 1.0f)) return kNone;
  const Node* erf = ProducerIf(graph, OtherInput(*add, one), "Erf");
  if (erf == nullptr) return kNone;
  const Node* scaled = graph.Producer(erf->inputs[0]);
  if (scaled == nullptr || (scaled->op != "Div" && scaled->op != "Mul")) {
    return kNone;
  }
  const ValueId constant = ConstantOperand(graph, *scaled);
  const std::optional<float> scalar =
      constant == kNone ? std::nullopt : ScalarOf(graph, constant);
  if (!scalar || (scaled->op == "Div" && constant != scaled->inputs[1])) {
    return kNone;
  }
  const float factor = scaled->op == "Div" ? 1.0f / *scalar : *scalar;
  if (std::fabs(factor - kSqrtHalf) > 1e-6f) return kNone;
  return OtherInput(*scaled, constant);
}

// x if `node` is the outermost product of gelu(x).
ValueId MatchGelu(const Graph& graph, const ValueNumbers& same,
                  const Node& node) {
  std::vector<ValueId> factors;
  CollectFactors(graph, node, /*depth=*/1, factors);
  if (factors.size() != 3) return kNone;
  for (ValueId candidate : factors) {
    const ValueId x = ErfArgument(graph, candidate);
    if (x == kNone) continue;
    bool has_half = false, has_x = false;
    for (ValueId factor : factors) {
      if (factor == candidate) continue;
      has_half = has_half || IsScalar(graph, factor, 0.5f);
      has_x = has_x || same.Same(factor, x);
    }
    if (has_half && has_x) return x;
  }
  return kNone;
}

}  // namespace

Result<void> RecogniseGelu(Graph& graph, PassContext&) {
  const ValueNumbers same(graph);
  int count = 0;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed || graph.node(id).op != "Mul") continue;
    const ValueId x = MatchGelu(graph, same, graph.node(id));
    if (x == kNone || !StaticShape(graph, x)) continue;
    Sampler sampler(graph, x);
    const auto before = sampler.Of(graph.node(id).outputs[0]);
    const auto after = sampler.OfNode("Gelu", {x}, {});
    if (!before.ok() || !after.ok() ||
        !AllClose(after.value(), before.value(), kTolerance)) {
      continue;
    }
    BITTERN_TRY(Rewrite(graph, id, "Gelu", {x}, {}));
    ++count;
  }
  if (count > 0) {
    graph.notes.push_back(fmt::format("GELUs recognised: {}", count));
  }
  return {};
}

}  // namespace bittern::convert
