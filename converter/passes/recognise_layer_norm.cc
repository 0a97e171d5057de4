// LayerNorm written out, as exporters do below opset 17, becomes one node:
//   d = x - mean(x); y = d / sqrt(mean(d * d) + eps) [* gamma [+ beta]]
// over the last axis, with Pow(d, 2) or Mul(d, d), Div or Mul by a Reciprocal.
// Both forms are evaluated on a sample before the rewrite.
#include <fmt/format.h>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"
#include "converter/passes/sampler.h"
#include "converter/passes/value_numbers.h"

namespace bittern::convert {
namespace {

constexpr float kTolerance = 1e-4f;  // two orders of summation of one row

struct Match {
  ValueId x;
  float epsilon;
  NodeId last;  // the node whose output becomes the LayerNorm's
  ValueId gamma = kNone, beta = kNone;
};

// mean(x) if `id` is x - mean(x): returns x.
ValueId CentredInput(const Graph& graph, const ValueNumbers& same, ValueId id) {
  const Node* sub = ProducerIf(graph, id, "Sub");
  if (sub == nullptr) return kNone;
  const Node* mean = ProducerIf(graph, sub->inputs[1], "ReduceMean");
  if (mean == nullptr || !ReducesLastAxis(graph, *mean)) return kNone;
  return same.Same(mean->inputs[0], sub->inputs[0]) ? sub->inputs[0] : kNone;
}

// The base of Pow(d, 2) or Mul(d, d).
ValueId Squared(const Graph& graph, const ValueNumbers& same, ValueId id) {
  if (const Node* pow = ProducerIf(graph, id, "Pow")) {
    return IsScalar(graph, pow->inputs[1], 2.0f) ? pow->inputs[0] : kNone;
  }
  const Node* mul = ProducerIf(graph, id, "Mul");
  if (mul == nullptr || !same.Same(mul->inputs[0], mul->inputs[1])) {
    return kNone;
  }
  return mul->inputs[0];
}

// epsilon if `id` is sqrt(mean(d * d) + epsilon).
std::optional<float> Deviation(const Graph& graph, const ValueNumbers& same,
                               ValueId id, ValueId d) {
  const Node* sqrt = ProducerIf(graph, id, "Sqrt");
  if (sqrt == nullptr) return std::nullopt;
  const Node* add = ProducerIf(graph, sqrt->inputs[0], "Add");
  if (add == nullptr) return std::nullopt;
  const ValueId constant = ConstantOperand(graph, *add);
  if (constant == kNone) return std::nullopt;
  const Node* mean =
      ProducerIf(graph, OtherInput(*add, constant), "ReduceMean");
  if (mean == nullptr || !ReducesLastAxis(graph, *mean)) return std::nullopt;
  if (!same.Same(Squared(graph, same, mean->inputs[0]), d)) return std::nullopt;
  return ScalarOf(graph, constant);
}

// The node that divides d by its deviation.
std::optional<Match> MatchNormalised(const Graph& graph,
                                     const ValueNumbers& same, NodeId id) {
  const Node& node = graph.node(id);
  if (node.removed) return std::nullopt;
  ValueId d = kNone, deviation = kNone;
  if (node.op == "Div") {
    d = node.inputs[0];
    deviation = node.inputs[1];
  } else if (node.op == "Mul") {
    for (size_t i = 0; i < 2; ++i) {
      const Node* inverse = ProducerIf(graph, node.inputs[i], "Reciprocal");
      if (inverse == nullptr) continue;
      d = node.inputs[1 - i];
      deviation = inverse->inputs[0];
    }
  }
  if (d == kNone) return std::nullopt;
  const ValueId x = CentredInput(graph, same, d);
  if (x == kNone) return std::nullopt;
  const std::optional<float> epsilon = Deviation(graph, same, deviation, d);
  if (!epsilon) return std::nullopt;
  return Match{x, *epsilon, id, kNone, kNone};
}

// The constant [C] with which the only user of the match's last node, an `op`,
// combines it; the match then ends at that user.
ValueId TakeAffine(const Graph& graph, const char* op, Match& match) {
  const ValueId output = graph.node(match.last).outputs[0];
  const std::optional<NodeId> user = OnlyUserIf(graph, output, op);
  if (!user) return kNone;
  const ValueId constant = ConstantOperand(graph, graph.node(*user));
  const std::optional<Shape> shape = StaticShape(graph, constant);
  const std::optional<Shape> whole = StaticShape(graph, output);
  if (!shape || !whole || shape->Elements() != whole->Last() ||
      shape->Last() != whole->Last() || shape->rank() > whole->rank()) {
    return kNone;
  }
  match.last = *user;
  return constant;
}

Result<bool> RewriteIfEqual(Graph& graph, Match match) {
  const std::optional<Shape> shape = StaticShape(graph, match.x);
  if (!shape || shape->rank() == 0) return false;
  const std::string name = graph.node(match.last).name;
  const auto width = static_cast<size_t>(shape->Last());
  const auto vector = [&](ValueId id, float fill, const char* what) {
    return AddVector(
        graph, name + what,
        id == kNone ? std::vector<float>(width, fill) : graph.F32(id));
  };
  std::vector<ValueId> inputs = {match.x, vector(match.gamma, 1.0f, ".gamma")};
  if (match.beta != kNone) inputs.push_back(vector(match.beta, 0.0f, ".beta"));
  const AttributeMap attributes = {{"epsilon", match.epsilon}};
  Sampler sampler(graph, match.x);
  const auto before = sampler.Of(graph.node(match.last).outputs[0]);
  const auto after = sampler.OfNode("LayerNorm", inputs, attributes);
  if (!before.ok() || !after.ok() ||
      !AllClose(after.value(), before.value(), kTolerance)) {
    return false;
  }
  BITTERN_TRY(Rewrite(graph, match.last, "LayerNorm", inputs, attributes));
  return true;
}

}  // namespace

Result<void> RecogniseLayerNorm(Graph& graph, PassContext&) {
  const ValueNumbers same(graph);
  int count = 0;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    std::optional<Match> match =
        MatchNormalised(graph, same, static_cast<NodeId>(i));
    if (!match) continue;
    match->gamma = TakeAffine(graph, "Mul", *match);
    if (match->gamma != kNone) match->beta = TakeAffine(graph, "Add", *match);
    BITTERN_TRY_ASSIGN(const bool done, RewriteIfEqual(graph, *match));
    count += done ? 1 : 0;
  }
  if (count > 0) {
    graph.notes.push_back(fmt::format("LayerNorms recognised: {}", count));
  }
  return {};
}

}  // namespace bittern::convert
