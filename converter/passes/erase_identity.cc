// Removes nodes whose output is their input: Identity, Cast to the same type,
// Reshape and Expand to the same shape, Transpose that moves nothing, Where
// that always takes the same (a mask without padding); and merges a Reshape of
// a Reshape. (Dropout arrives as Identity from the importer.)
#include <algorithm>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

bool KeepsType(const Graph& graph, const Node& node, size_t input = 0) {
  const std::optional<TensorType>& before =
      graph.value(node.inputs[input]).type;
  const std::optional<TensorType>& after = graph.value(node.outputs[0]).type;
  return before && after && *before == *after && before->shape.IsStatic();
}

// The input of a Where whose constant condition is the same everywhere; 0 if it
// is not.
size_t AlwaysTaken(const Graph& graph, const Node& node) {
  const Value& condition = graph.value(node.inputs[0]);
  if (condition.constant == nullptr) return 0;
  const auto* values =
      reinterpret_cast<const uint8_t*>(condition.constant->data());
  const auto count = static_cast<size_t>(condition.type->shape.Elements());
  for (size_t i = 1; i < count; ++i) {
    if ((values[i] != 0) != (values[0] != 0)) return 0;
  }
  return count == 0 ? 0 : values[0] != 0 ? 1 : 2;
}

// The input that the output is; nothing if it is none.
std::optional<size_t> KeptInput(const Graph& graph, const Node& node) {
  const std::optional<size_t> none, first = 0;
  if (node.op == "Identity") return first;
  if (node.op == "Cast" || node.op == "Reshape" || node.op == "Expand" ||
      node.op == "Flatten" || node.op == "Squeeze" || node.op == "Unsqueeze") {
    return KeepsType(graph, node) ? first : none;
  }
  if (node.op == "Transpose") {
    const std::vector<int64_t> perm = IntsOf(node, "perm");
    return !perm.empty() && std::is_sorted(perm.begin(), perm.end()) ? first
                                                                     : none;
  }
  if (node.op != "Where") return none;
  const size_t taken = AlwaysTaken(graph, node);
  return taken > 0 && KeepsType(graph, node, taken) ? std::optional(taken)
                                                    : none;
}

// Reshape(Reshape(x)): the outer one alone says the result. A 0 in its target
// would copy a dimension of the inner shape, so those stay; a -1 is the same
// for both.
void SkipInnerReshape(Graph& graph, Node& node) {
  const Node* inner = ProducerIf(graph, node.inputs[0], "Reshape");
  if (node.op != "Reshape" || inner == nullptr) return;
  for (int64_t dim : graph.I64(node.inputs[1])) {
    if (dim == 0) return;
  }
  if (graph.IsConstant(node.inputs[1])) node.inputs[0] = inner->inputs[0];
}

// What an erased value is now: the input at the start of its chain.
class Aliases {
 public:
  explicit Aliases(size_t values) : source_(values, kNone) {}

  ValueId Of(ValueId id) const {
    return id == kNone || source_[Index(id)] == kNone ? id : source_[Index(id)];
  }
  // Requires that `from` is final, which topological order gives.
  void Add(ValueId to, ValueId from) { source_[Index(to)] = from; }

 private:
  static size_t Index(ValueId id) { return static_cast<size_t>(id); }
  std::vector<ValueId> source_;
};

}  // namespace

Result<void> EraseIdentity(Graph& graph, PassContext&) {
  Aliases aliases(graph.values().size());
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    Node& node = graph.node(id);
    if (node.removed) continue;
    for (ValueId& input : node.inputs) input = aliases.Of(input);
    if (node.inputs.empty() || node.outputs.size() != 1) continue;
    SkipInnerReshape(graph, node);
    const std::optional<size_t> kept = KeptInput(graph, node);
    if (!kept) continue;
    aliases.Add(node.outputs[0], node.inputs[*kept]);
    graph.RemoveNode(id);
  }
  for (ValueId& output : graph.outputs) output = aliases.Of(output);
  return {};
}

}  // namespace bittern::convert
