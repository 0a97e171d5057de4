// Walks up and down from a Sign.
#include "converter/passes/affine_sign.h"

#include <cmath>

namespace bittern::convert {
namespace {

constexpr float kSnap = 1e-5f;
constexpr float kMaxZeroPoint = 1
                                << 20;  // keeps integer sums far from overflow

// Clip keeps the sign of everything if its range has 0 inside.
ValueId SkipClip(const Graph& graph, ValueId id) {
  const Node* clip = ProducerIf(graph, id, "Clip");
  if (clip == nullptr || FloatOf(*clip, "min", -1.0f) >= 0.0f ||
      FloatOf(*clip, "max", 1.0f) <= 0.0f) {
    return id;
  }
  return clip->inputs[0];
}

// Moves `last` to its only user, an `op` with a constant (which must be the
// second operand unless `commutes`), and returns the constant.
ValueId TakeLevel(const Graph& graph, const char* op, bool commutes,
                  NodeId& last) {
  const std::optional<NodeId> user =
      OnlyUserIf(graph, graph.node(last).outputs[0], op);
  if (!user) return kNone;
  const Node& node = graph.node(*user);
  const ValueId constant = ConstantOperand(graph, node);
  if (constant == kNone || graph.F32(constant).empty()) return kNone;
  if (!commutes && constant != node.inputs[1]) return kNone;
  last = *user;
  return constant;
}

}  // namespace

AffineSign MatchAffineSign(const Graph& graph, NodeId id) {
  AffineSign match;
  match.sign = id;
  match.shifted = SkipClip(graph, graph.node(id).inputs[0]);
  match.input = match.shifted;
  if (const Node* add = ProducerIf(graph, match.input, "Add")) {
    const ValueId constant = ConstantOperand(graph, *add);
    if (constant != kNone) {
      match.z = constant;
      match.input = OtherInput(*add, constant);
    }
  }
  if (const Node* div = ProducerIf(graph, match.input, "Div")) {
    if (ConstantOperand(graph, *div) == div->inputs[1]) {
      match.a = div->inputs[1];
      match.input = div->inputs[0];
    }
  }
  match.last = id;
  match.level_z = TakeLevel(graph, "Sub", false, match.last);
  match.level_a = TakeLevel(graph, "Mul", true, match.last);
  return match;
}

std::optional<int32_t> SnapToInteger(float value) {
  const float rounded = std::nearbyint(value);
  if (!(std::fabs(value - rounded) <= kSnap) ||
      std::fabs(rounded) > kMaxZeroPoint) {
    return std::nullopt;
  }
  return static_cast<int32_t>(rounded);
}

}  // namespace bittern::convert
