// Signs spelled as comparisons become Sign, which later passes read:
//   Where(x >= 0, a, -a)   ->  Sign(Sign(x) + 0.1) * a      0 gives +a
//   Where(x > 0, a, -a)    ->  Sign(Sign(x) - 0.1) * a      0 gives -a
//   Cast(x >= 0) * 2 - 1   ->  Sign(Sign(x) + 0.1)
//   Cast(x > 0)            ->  Sign(Relu(x)), where products read it (BiBERT)
// and the same turned round. The inner Sign makes the offset exact: x itself
// may be as small as a float gets. Not for NaN, which compares false but stays
// NaN here; the graph's notes say so.
#include <fmt/format.h>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// A comparison of x with 0 as a sign: +1 where it holds, if `positive`.
struct Comparison {
  ValueId x = kNone;
  bool positive = true;     // holds for large x
  bool zero_holds = false;  // holds for 0
};

std::optional<Comparison> MatchComparison(const Graph& graph, ValueId id) {
  const Node* node = graph.Producer(id);
  if (node == nullptr || node->inputs.size() != 2) return std::nullopt;
  const bool greater = node->op == "Greater" || node->op == "GreaterOrEqual";
  const bool less = node->op == "Less" || node->op == "LessOrEqual";
  if (!greater && !less) return std::nullopt;
  Comparison match;
  match.zero_holds = node->op.ends_with("OrEqual");
  const bool zero_right = IsScalar(graph, node->inputs[1], 0.0f);
  if (!zero_right && !IsScalar(graph, node->inputs[0], 0.0f)) {
    return std::nullopt;
  }
  match.x = node->inputs[zero_right ? 0 : 1];
  match.positive = greater == zero_right;
  const auto shape = StaticShape(graph, match.x);
  const auto out = StaticShape(graph, id);
  const bool whole = shape && out && *shape == *out &&
                     graph.value(match.x).type->dtype == runtime::DType::kF32;
  return whole ? std::optional(match) : std::nullopt;
}

// Sign(Sign(x) +- 0.1): two values, 0 on the side of the comparison.
Result<ValueId> EmitSign(Graph& graph, const Node& node, const Comparison& c) {
  const std::string name = node.name;
  const std::string output = graph.value(node.outputs[0]).name;
  BITTERN_TRY_ASSIGN(const ValueId inner,
                     Emit(graph, "Sign", name, {c.x}, {}, output + ".sign"));
  // 0 is +1 where the comparison holds for it and for positive x, or for
  // neither.
  const float offset = c.zero_holds == c.positive ? 0.1f : -0.1f;
  const ValueId constant = graph.AddF32(output + ".offset", Shape(), {offset});
  BITTERN_TRY_ASSIGN(
      const ValueId moved,
      Emit(graph, "Add", name, {inner, constant}, {}, output + ".moved"));
  return Emit(graph, "Sign", name, {moved}, {}, output + ".two_valued");
}

// Constants of one element but more dimensions may broadcast x.
bool KeepsShape(const Graph& graph, const Node& node, const Comparison& c) {
  return StaticShape(graph, node.outputs[0]) == StaticShape(graph, c.x);
}

Result<bool> RewriteWhere(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const auto comparison = MatchComparison(graph, node.inputs[0]);
  const auto a = ScalarOf(graph, node.inputs[1]);
  const auto b = ScalarOf(graph, node.inputs[2]);
  if (!comparison || !a || !b || *a != -*b || *a == 0) return false;
  if (!KeepsShape(graph, node, *comparison)) return false;
  BITTERN_TRY_ASSIGN(const ValueId sign, EmitSign(graph, node, *comparison));
  const float level = comparison->positive ? *a : *b;
  const ValueId factor = graph.AddF32(
      graph.value(node.outputs[0]).name + ".level", Shape(), {level});
  BITTERN_TRY(Rewrite(graph, id, "Mul", {sign, factor}, {}));
  return true;
}

// Sub(Mul(Cast(comparison), 2), 1).
Result<bool> RewriteCast(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  if (!IsScalar(graph, node.inputs[1], 1.0f)) return false;
  const Node* product = ProducerIf(graph, node.inputs[0], "Mul");
  if (product == nullptr) return false;
  const ValueId two = ConstantOperand(graph, *product);
  if (two == kNone || !IsScalar(graph, two, 2.0f)) return false;
  const Node* cast = ProducerIf(graph, OtherInput(*product, two), "Cast");
  if (cast == nullptr) return false;
  const auto comparison = MatchComparison(graph, cast->inputs[0]);
  if (!comparison || !KeepsShape(graph, node, *comparison)) return false;
  BITTERN_TRY_ASSIGN(const ValueId sign, EmitSign(graph, node, *comparison));
  BITTERN_TRY(Rewrite(graph, id, comparison->positive ? "Identity" : "Neg",
                      {sign}, {}));
  return true;
}

// {0, 1} where only products read it.
Result<bool> RewritePositive(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const auto comparison = MatchComparison(graph, node.inputs[0]);
  if (StringOf(node, "to") != "f32" || !comparison || !comparison->positive ||
      comparison->zero_holds || !KeepsShape(graph, node, *comparison) ||
      !OnlyUserIf(graph, node.outputs[0], "MatMul")) {
    return false;
  }
  BITTERN_TRY_ASSIGN(const ValueId positive,
                     Emit(graph, "Relu", node.name, {comparison->x}, {},
                          graph.value(node.outputs[0]).name + ".positive"));
  BITTERN_TRY(Rewrite(graph, id, "Sign", {positive}, {}));
  return true;
}

}  // namespace

Result<void> TwoValuedSigns(Graph& graph, PassContext& context) {
  static_cast<void>(context);
  int count = 0;
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed) continue;
    bool done = false;
    if (node.op == "Where") {
      BITTERN_TRY_ASSIGN(done, RewriteWhere(graph, id));
    } else if (node.op == "Sub") {
      BITTERN_TRY_ASSIGN(done, RewriteCast(graph, id));
    } else if (node.op == "Cast") {
      BITTERN_TRY_ASSIGN(done, RewritePositive(graph, id));
    }
    count += done ? 1 : 0;
  }
  if (count > 0) {
    graph.notes.push_back(fmt::format(
        "comparisons with 0 that became signs (NaN aside): {}", count));
  }
  return {};
}

}  // namespace bittern::convert
