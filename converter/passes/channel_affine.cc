#include "converter/passes/channel_affine.h"

namespace bittern::convert {
namespace {

// Takes `node`, the only reader of `x`; false if it is no such step.
bool Take(const Graph& graph, const Node& node, ValueId x, const Shape& shape,
          ChannelAffine& affine) {
  const ValueId constant = ConstantOperand(graph, node);
  const bool swaps = node.op == "Mul" || node.op == "Add";
  const bool keeps = node.op == "Div" || node.op == "Sub";
  if (constant == kNone || (!swaps && !(keeps && node.inputs[0] == x)) ||
      StaticShape(graph, node.outputs[0]) != shape) {
    return false;
  }
  const auto values = AlongAxis(graph, constant, shape, 1);
  if (!values) return false;
  for (size_t c = 0; c < values->size(); ++c) {
    const auto value = static_cast<double>((*values)[c]);
    double &factor = affine.factor[c], &offset = affine.offset[c];
    if (node.op == "Mul" || node.op == "Div") {
      factor = node.op == "Mul" ? factor * value : factor / value;
      offset = node.op == "Mul" ? offset * value : offset / value;
    } else {
      offset += node.op == "Add" ? value : -value;
    }
  }
  return true;
}

}  // namespace

ChannelAffine MatchChannelAffine(const Graph& graph, ValueId id) {
  constexpr int kMaxSteps = 16;
  ChannelAffine affine;
  const std::optional<Shape> shape = StaticShape(graph, id);
  if (!shape || shape->rank() != 4) return affine;
  const auto channels = static_cast<size_t>((*shape)[1]);
  affine.factor.assign(channels, 1);
  affine.offset.assign(channels, 0);
  for (int step = 0; step < kMaxSteps; ++step) {
    const std::optional<NodeId> user = OnlyUser(graph, id);
    if (!user || !Take(graph, graph.node(*user), id, *shape, affine)) break;
    affine.last = *user;
    id = graph.node(*user).outputs[0];
  }
  return affine;
}

}  // namespace bittern::convert
