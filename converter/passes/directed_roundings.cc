// Quantisers that round down or up (QONNX's FLOOR and CEIL, A2) get the Round
// that quantise_activations looks for: integers stay what they are, so
//   Floor(Clip(t)) -> Round(Clip(Floor(t)))   with integer bounds,
//   Clip(Floor(t)) -> Clip(Round(Floor(t)))
// where the result is shifted, scaled or multiplied, as codes are. The Floor
// stays a float step in front of the codes.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr std::array<std::string_view, 5> kReaders = {"Sub", "Mul", "Div",
                                                      "MatMul", "Conv"};

bool HasIntegerBounds(const Node& clip) {
  const float lo = FloatOf(clip, "min", 0.5f), hi = FloatOf(clip, "max", 0.5f);
  return lo == std::nearbyint(lo) && hi == std::nearbyint(hi) && lo < hi;
}

bool IsReadAsCodes(const Graph& graph, ValueId id) {
  const std::vector<NodeId> users = graph.Users(id);
  return !users.empty() &&
         std::all_of(users.begin(), users.end(), [&graph](NodeId user) {
           const std::string& op = graph.node(user).op;
           return std::find(kReaders.begin(), kReaders.end(), op) !=
                  kReaders.end();
         });
}

bool IsTensor(const Graph& graph, ValueId id) {
  const std::optional<Shape> shape = StaticShape(graph, id);
  return shape && shape->Elements() > 1 && !graph.IsConstant(id) &&
         graph.value(id).type->dtype == runtime::DType::kF32;
}

Result<void> AddRound(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const std::string name = graph.value(node.outputs[0]).name;
  const Node* clip = ProducerIf(graph, node.inputs[0], "Clip");
  const bool in_front = clip != nullptr && HasIntegerBounds(*clip);
  if (in_front && IsReadAsCodes(graph, node.outputs[0])) {
    const Node bounds = *clip;
    BITTERN_TRY_ASSIGN(const ValueId whole,
                       Emit(graph, node.op, node.name, {bounds.inputs[0]}, {},
                            name + ".whole"));
    BITTERN_TRY_ASSIGN(const ValueId held,
                       Emit(graph, "Clip", bounds.name, {whole},
                            bounds.attributes, name + ".clip"));
    return Rewrite(graph, id, "Round", {held}, {});
  }
  const auto user = OnlyUserIf(graph, node.outputs[0], "Clip");
  if (!user || !HasIntegerBounds(graph.node(*user)) ||
      !IsReadAsCodes(graph, graph.node(*user).outputs[0])) {
    return {};
  }
  BITTERN_TRY_ASSIGN(
      const ValueId whole,
      Emit(graph, node.op, node.name, {node.inputs[0]}, {}, name + ".whole"));
  return Rewrite(graph, id, "Round", {whole}, {});
}

}  // namespace

Result<void> DirectedRoundings(Graph& graph, PassContext&) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed || (node.op != "Floor" && node.op != "Ceil") ||
        !IsTensor(graph, node.inputs[0])) {
      continue;
    }
    BITTERN_TRY(AddRound(graph, id));
  }
  return {};
}

}  // namespace bittern::convert
