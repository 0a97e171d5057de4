// Computes every node whose inputs are constants, through the runtime's own op,
// and Shape nodes of static tensors; gives types to the rest. What would grow
// beyond the evaluation limit stays a node.
#include <algorithm>
#include <numeric>

#include "converter/ir/evaluate.h"
#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

bool HasConstantInputs(const Graph& graph, const Node& node) {
  return std::all_of(
      node.inputs.begin(), node.inputs.end(),
      [&graph](ValueId id) { return id == kNone || graph.IsConstant(id); });
}

bool FitsLimit(const Graph& graph, const Node& node) {
  size_t bytes = 0;
  for (ValueId id : node.outputs) {
    if (id == kNone) continue;
    const TensorType& type = *graph.value(id).type;
    if (type.dtype == runtime::DType::kCode || !type.shape.IsStatic()) {
      return false;
    }
    bytes += runtime::ByteSize(type);
    if (bytes > kMaxEvaluatedBytes) return false;
  }
  return true;
}

// Who still reads each value: weights behind long chains would else stay in
// memory once for every step of the chain.
class Readers {
 public:
  explicit Readers(const Graph& graph) : count_(graph.values().size()) {
    for (const Node& node : graph.nodes()) {
      if (!node.removed) Add(node.inputs);
    }
    Add(graph.outputs);
  }

  // One reader fewer of each: constants without any are given up.
  void Release(Graph& graph, const std::vector<ValueId>& ids) {
    for (ValueId id : ids) {
      if (id == kNone || static_cast<size_t>(id) >= count_.size()) continue;
      if (--count_[static_cast<size_t>(id)] == 0) {
        graph.value(id).constant.reset();
      }
    }
  }

 private:
  void Add(const std::vector<ValueId>& ids) {
    for (ValueId id : ids) {
      if (id != kNone) ++count_[static_cast<size_t>(id)];
    }
  }

  std::vector<size_t> count_;
};

Result<void> FoldNode(Graph& graph, NodeId id, Readers& readers) {
  BITTERN_TRY_ASSIGN(const std::vector<ConstantData> results,
                     EvaluateNode(graph, graph.node(id)));
  const std::vector<ValueId> outputs = graph.node(id).outputs;
  const std::vector<ValueId> inputs = graph.node(id).inputs;
  graph.RemoveNode(id);
  readers.Release(graph, inputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] != kNone) graph.value(outputs[i]).constant = results[i];
  }
  return {};
}

// Shape of a static tensor, with ONNX's clamping of start and end.
void FoldShape(Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  const Shape shape = *StaticShape(graph, node.inputs[0]);
  const auto rank = static_cast<int64_t>(shape.rank());
  const auto clamp = [rank](int64_t i) {
    return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank);
  };
  const int64_t start = clamp(IntOf(node, "start", 0));
  const int64_t end = std::max(start, clamp(IntOf(node, "end", rank)));
  std::vector<int64_t> dims(shape.dims().begin() + start,
                            shape.dims().begin() + end);
  const ValueId output = node.outputs[0];
  const ValueId folded =
      graph.AddI64(graph.value(output).name + ".folded", {end - start}, dims);
  graph.ReplaceUses(output, folded);
  graph.RemoveNode(id);
}

}  // namespace

Result<void> FoldConstants(Graph& graph, PassContext&) {
  Readers readers(graph);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed) continue;
    if (node.op == "Shape" && StaticShape(graph, node.inputs[0])) {
      FoldShape(graph, id);
      continue;
    }
    BITTERN_TRY(InferNode(graph, id));
    if (HasConstantInputs(graph, node) && FitsLimit(graph, node)) {
      BITTERN_TRY(FoldNode(graph, id, readers));
    }
  }
  return {};
}

}  // namespace bittern::convert
