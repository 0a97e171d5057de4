// Moves a Transpose behind the element-wise nodes and LayerNorms that follow
// it, op(Transpose(x)) -> Transpose(op(x)), so that quantisers of attention
// heads stand right behind the projection whose epilogue they can become.
// Constants of [1,H,1,1] turn into [1,1,H,1]; two Transposes that meet become
// one.
#include <algorithm>
#include <array>

#include "converter/ir/evaluate.h"
#include "converter/passes/edit.h"
#include "converter/passes/image_layout.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

using Permutation = std::vector<int64_t>;

constexpr std::array<std::string_view, 19> kUnary = {
    "Neg",     "Abs",  "Sqrt", "Exp",      "Log",   "Erf",  "Tanh",
    "Sigmoid", "Relu", "Sign", "Round",    "Floor", "Ceil", "Reciprocal",
    "Gelu",    "Clip", "Not",  "Identity", "Cast"};
constexpr std::array<std::string_view, 6> kBinary = {"Add", "Sub", "Mul",
                                                     "Div", "Min", "Max"};

template <size_t kSize>
bool Contains(const std::array<std::string_view, kSize>& list,
              std::string_view op) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

Permutation Inverse(const Permutation& perm) {
  Permutation inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  }
  return inverse;
}

// The constant that combines with x as `constant` did with Transpose(x).
Result<ValueId> Untransposed(Graph& graph, ValueId constant,
                             const Permutation& perm) {
  const Shape shape = *StaticShape(graph, constant);
  if (shape.Elements() == 1) return constant;
  const std::string name = graph.value(constant).name;
  Shape padded;
  for (size_t i = shape.rank(); i < perm.size(); ++i) padded.Append(1);
  for (int64_t dim : shape.dims()) padded.Append(dim);
  BITTERN_TRY_ASSIGN(const ValueId reshaped,
                     EmitReshape(graph, name, constant, padded, name));
  return Emit(graph, "Transpose", name, {reshaped}, {{"perm", Inverse(perm)}},
              name);
}

// Swaps the Transpose `id` with its only user, a node of one output.
Result<void> Swap(Graph& graph, NodeId id, NodeId user) {
  const Permutation perm = IntsOf(graph.node(id), "perm");
  const ValueId x = graph.node(id).inputs[0];
  const ValueId transposed = graph.node(id).outputs[0];
  const ValueId output = graph.node(user).outputs[0];
  for (size_t i = 0; i < graph.node(user).inputs.size(); ++i) {
    const ValueId input = graph.node(user).inputs[i];
    ValueId moved = input == transposed ? x : input;
    if (Contains(kBinary, graph.node(user).op) && input != transposed) {
      BITTERN_TRY_ASSIGN(moved, Untransposed(graph, input, perm));
    }
    graph.node(user).inputs[i] = moved;
  }
  const ValueId early =
      graph.AddValue(graph.value(output).name + ".untransposed", std::nullopt);
  graph.node(user).outputs[0] = early;
  graph.value(early).producer = user;
  BITTERN_TRY(InferNode(graph, user));
  const std::string name = graph.node(id).name;
  graph.RemoveNode(id);
  graph.AddNode("Transpose", name, {early}, {output}, {{"perm", perm}});
  return {};
}

// Whether `user`, the only reader of a Transpose by `perm`, may change places.
bool Commutes(const Graph& graph, const Node& user, const Permutation& perm,
              ValueId transposed) {
  if (Contains(kUnary, user.op)) return true;
  const auto rank = static_cast<int64_t>(perm.size());
  if (user.op == "LayerNorm") {
    return user.inputs[0] == transposed && perm.back() == rank - 1;
  }
  if (!Contains(kBinary, user.op)) return false;
  const ValueId constant = ConstantOperand(graph, user);
  const std::optional<Shape> shape = StaticShape(graph, constant);
  return shape && static_cast<int64_t>(shape->rank()) <= rank;
}

// One step for node `id`; whether it was a Transpose that could take one.
Result<bool> Sink(Graph& graph, NodeId id) {
  if (graph.node(id).removed || graph.node(id).op != "Transpose") return false;
  const Permutation perm = IntsOf(graph.node(id), "perm");
  const ValueId x = graph.node(id).inputs[0];
  const ValueId transposed = graph.node(id).outputs[0];
  const std::optional<NodeId> user = OnlyUser(graph, transposed);
  // Images stay where they are: channels_last computes what follows on them.
  if (!user || !StaticShape(graph, transposed) || graph.IsConstant(x) ||
      perm == kToFirst) {
    return false;
  }
  if (graph.node(*user).op == "Transpose") {
    Permutation both = IntsOf(graph.node(*user), "perm");
    for (int64_t& axis : both) axis = perm[static_cast<size_t>(axis)];
    BITTERN_TRY(Rewrite(graph, *user, "Transpose", {x}, {{"perm", both}}));
    graph.RemoveNode(id);
    return true;
  }
  if (!Commutes(graph, graph.node(*user), perm, transposed)) return false;
  BITTERN_TRY(Swap(graph, id, *user));
  return true;
}

}  // namespace

// A moved Transpose is a new node at the end of the list, so that one walk
// follows it all the way; one that met another may go on in the next walk.
Result<void> SinkTransposes(Graph& graph, PassContext&) {
  bool moved = true;
  while (moved) {
    moved = false;
    for (size_t i = 0; i < graph.nodes().size(); ++i) {
      BITTERN_TRY_ASSIGN(const bool step, Sink(graph, static_cast<NodeId>(i)));
      moved = moved || step;
    }
  }
  return {};
}

}  // namespace bittern::convert
