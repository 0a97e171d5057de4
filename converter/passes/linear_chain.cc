// MatMul [-> Mul by constants] [-> Add of constants], followed downwards.
#include "converter/passes/linear_chain.h"

namespace bittern::convert {
namespace {

// The constant of the only user of `id`, an `op`, if it is one value or one per
// channel; `last` moves to that user.
ValueId TakeConstant(const Graph& graph, const char* op, const Shape& result,
                     NodeId& last) {
  const ValueId output = graph.node(last).outputs[0];
  const std::optional<NodeId> user = OnlyUserIf(graph, output, op);
  if (!user) return kNone;
  const ValueId constant = ConstantOperand(graph, graph.node(*user));
  const std::optional<Shape> shape = StaticShape(graph, constant);
  if (!shape || graph.F32(constant).empty()) return kNone;
  if (shape->rank() > result.rank()) return kNone;
  if (shape->Elements() != 1 &&
      (shape->Elements() != result.Last() || shape->Last() != result.Last())) {
    return kNone;
  }
  last = *user;
  return constant;
}

}  // namespace

std::optional<LinearChain> MatchLinear(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.removed || node.op != "MatMul") return std::nullopt;
  const std::optional<Shape> left = StaticShape(graph, node.inputs[0]);
  const std::optional<Shape> right = StaticShape(graph, node.inputs[1]);
  const std::optional<Shape> result = StaticShape(graph, node.outputs[0]);
  if (!left || !right || !result || right->rank() != 2 || left->rank() < 2 ||
      !graph.IsConstant(node.inputs[1]) || graph.IsConstant(node.inputs[0]) ||
      graph.value(node.inputs[1]).type->dtype != runtime::DType::kF32) {
    return std::nullopt;
  }
  LinearChain chain;
  chain.matmul = id;
  chain.input = node.inputs[0];
  chain.weight = node.inputs[1];
  chain.k = (*right)[0];
  chain.n = (*right)[1];
  chain.last = id;
  chain.factor = TakeConstant(graph, "Mul", *result, chain.last);
  chain.offset = TakeConstant(graph, "Add", *result, chain.last);
  return chain;
}

}  // namespace bittern::convert
