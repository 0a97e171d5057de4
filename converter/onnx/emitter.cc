// Types and folds nodes as they are made; folding runs the runtime's own ops.
#include "converter/onnx/emitter.h"

#include <algorithm>
#include <utility>

#include "converter/ir/evaluate.h"

namespace bittern::convert {
namespace {

using runtime::DType;
using runtime::InvalidArgument;

bool IsIntegerConstant(const Graph& graph, ValueId id) {
  return id == kNone ||
         (graph.IsConstant(id) && graph.value(id).type->dtype != DType::kF32);
}

bool IsShapeArithmetic(const Graph& graph, const Node& node) {
  const auto is_constant = [&graph](ValueId id) {
    return id == kNone || graph.IsConstant(id);
  };
  if (!std::all_of(node.inputs.begin(), node.inputs.end(), is_constant)) {
    return false;
  }
  if (node.op == "Range") return true;
  const bool float_out =
      graph.value(node.outputs[0]).type->dtype == DType::kF32;
  if (!float_out) return true;
  return std::all_of(
      node.inputs.begin(), node.inputs.end(),
      [&graph](ValueId id) { return IsIntegerConstant(graph, id); });
}

size_t OutputBytes(const Graph& graph, const Node& node) {
  size_t bytes = 0;
  for (ValueId id : node.outputs) {
    if (id != kNone) bytes += runtime::ByteSize(*graph.value(id).type);
  }
  return bytes;
}

}  // namespace

Result<void> CheckValueSize(const TensorType& type, const std::string& what) {
  const Result<int64_t> elements = runtime::CheckedElements(type.shape);
  if (!elements.ok()) {
    return InvalidArgument(what + ": " + elements.error().message);
  }
  const size_t bytes = runtime::ByteSize(type);
  if (bytes <= kMaxValueBytes) return {};
  return InvalidArgument(what + " would have type " + runtime::ToString(type) +
                         " of " + std::to_string(bytes) +
                         " bytes, expected at most " +
                         std::to_string(kMaxValueBytes));
}

Result<std::vector<ValueId>> Emitter::Emit(
    const std::string& op, const std::string& name,
    const std::vector<ValueId>& inputs, AttributeMap attributes,
    const std::vector<std::string>& output_names) {
  std::vector<ValueId> outputs;
  for (const std::string& output_name : output_names) {
    outputs.push_back(
        graph_.AddValue(output_name.substr(0, kMaxNameBytes), std::nullopt));
  }
  const NodeId id =
      graph_.AddNode(op, name, inputs, outputs, std::move(attributes));
  BITTERN_TRY(InferNode(graph_, id));
  for (ValueId output : outputs) {
    if (!graph_.value(output).type->shape.IsStatic()) continue;
    BITTERN_TRY(
        CheckValueSize(*graph_.value(output).type, op + " '" + name + "'"));
  }
  const Node& node = graph_.node(id);
  if (IsShapeArithmetic(graph_, node) &&
      folded_bytes_ + OutputBytes(graph_, node) <= kMaxFoldedBytes) {
    BITTERN_TRY(Fold(id));
  }
  return outputs;
}

Result<void> Emitter::Fold(NodeId id) {
  const Node& node = graph_.node(id);
  const size_t bytes = OutputBytes(graph_, node);
  if (folded_bytes_ + bytes > kMaxFoldedBytes) {
    return InvalidArgument(node.op + " '" + node.name +
                           "': computing it would make " +
                           std::to_string(folded_bytes_ + bytes) +
                           " bytes of constants in all, expected at most " +
                           std::to_string(kMaxFoldedBytes));
  }
  BITTERN_TRY_ASSIGN(const std::vector<ConstantData> values,
                     EvaluateNode(graph_, node));
  folded_bytes_ += bytes;
  const std::vector<ValueId> outputs = node.outputs;
  graph_.RemoveNode(id);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] != kNone) graph_.value(outputs[i]).constant = values[i];
  }
  return {};
}

Result<bool> Emitter::Materialise(ValueId id) {
  if (id == kNone) return false;
  std::vector<ValueId> pending = {id};
  while (!pending.empty()) {
    const ValueId current = pending.back();
    if (current == kNone || graph_.IsConstant(current)) {
      pending.pop_back();
      continue;
    }
    const NodeId producer = graph_.ProducerId(current);
    if (producer == kNone) return false;  // a graph input
    if (!graph_.node(producer).bodies.empty()) return false;
    bool ready = true;
    for (ValueId input : graph_.node(producer).inputs) {
      if (input == kNone || graph_.IsConstant(input)) continue;
      ready = false;
      pending.push_back(input);
    }
    if (ready) BITTERN_TRY(Fold(producer));
  }
  return true;
}

}  // namespace bittern::convert
