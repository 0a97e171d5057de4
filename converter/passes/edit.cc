// Reads and edits shared by passes; linear walks over the graph are fine here,
// since graphs have thousands of nodes, not millions.
#include "converter/passes/edit.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "converter/ir/evaluate.h"

namespace bittern::convert {
namespace {

template <class T>
const T* AttributeOf(const Node& node, std::string_view attribute) {
  const auto found = node.attributes.find(attribute);
  if (found == node.attributes.end()) return nullptr;
  return std::get_if<T>(&found->second);
}

Shape ShapeOfDims(const std::vector<int64_t>& dims) {
  return Shape(std::span<const int64_t>(dims));
}

}  // namespace

const Node* ProducerIf(const Graph& graph, ValueId id, std::string_view op) {
  if (id == kNone) return nullptr;
  const Node* producer = graph.Producer(id);
  return producer != nullptr && producer->op == op ? producer : nullptr;
}

std::optional<NodeId> OnlyUser(const Graph& graph, ValueId id) {
  if (graph.UseCount(id) != 1) return std::nullopt;
  const std::vector<NodeId> users = graph.Users(id);
  if (users.size() != 1) return std::nullopt;
  return users[0];
}

std::optional<NodeId> OnlyUserIf(const Graph& graph, ValueId id,
                                 std::string_view op) {
  const std::optional<NodeId> user = OnlyUser(graph, id);
  if (!user || graph.node(*user).op != op) return std::nullopt;
  return user;
}

std::optional<Shape> StaticShape(const Graph& graph, ValueId id) {
  if (id == kNone) return std::nullopt;
  const std::optional<TensorType>& type = graph.value(id).type;
  if (!type || !type->shape.IsStatic()) return std::nullopt;
  return type->shape;
}

std::optional<float> ScalarOf(const Graph& graph, ValueId id) {
  const std::vector<float> values = graph.F32(id);
  if (values.size() != 1) return std::nullopt;
  return values[0];
}

bool IsScalar(const Graph& graph, ValueId id, float value) {
  const std::optional<float> scalar = ScalarOf(graph, id);
  return scalar && *scalar == value;
}

ValueId OtherInput(const Node& node, ValueId input) {
  return node.inputs[0] == input ? node.inputs[1] : node.inputs[0];
}

ValueId ConstantOperand(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 2) return kNone;
  const bool first = graph.IsConstant(node.inputs[0]);
  const bool second = graph.IsConstant(node.inputs[1]);
  if (first == second) return kNone;
  return node.inputs[first ? 0 : 1];
}

int64_t IntOf(const Node& node, std::string_view attribute, int64_t fallback) {
  const auto* value = AttributeOf<int64_t>(node, attribute);
  return value == nullptr ? fallback : *value;
}

float FloatOf(const Node& node, std::string_view attribute, float fallback) {
  const auto* value = AttributeOf<float>(node, attribute);
  return value == nullptr ? fallback : *value;
}

std::vector<int64_t> IntsOf(const Node& node, std::string_view attribute) {
  const auto* value = AttributeOf<std::vector<int64_t>>(node, attribute);
  return value == nullptr ? std::vector<int64_t>{} : *value;
}

std::string StringOf(const Node& node, std::string_view attribute) {
  const auto* value = AttributeOf<std::string>(node, attribute);
  return value == nullptr ? std::string() : *value;
}

bool ReducesLastAxis(const Graph& graph, const Node& node) {
  const std::optional<Shape> shape = StaticShape(graph, node.inputs[0]);
  const std::vector<int64_t> axes = IntsOf(node, "axes");
  if (!shape || axes.size() != 1 || IntOf(node, "keepdims", 1) != 1) {
    return false;
  }
  const auto rank = static_cast<int64_t>(shape->rank());
  return axes[0] == -1 || axes[0] == rank - 1;
}

std::optional<std::vector<float>> AlongAxis(const Graph& graph, ValueId id,
                                            const Shape& target, size_t axis) {
  const std::vector<float> values = graph.F32(id);
  const auto count = static_cast<size_t>(target[axis]);
  if (values.size() == 1) return std::vector<float>(count, values[0]);
  const std::optional<Shape> shape = StaticShape(graph, id);
  if (values.size() != count || !shape || shape->rank() > target.rank()) {
    return std::nullopt;
  }
  const size_t lead = target.rank() - shape->rank();
  if (axis < lead || (*shape)[axis - lead] != target[axis]) return std::nullopt;
  return values;
}

ValueId SlopeOf(const Graph& graph, const Node& where) {
  if (where.op != "Where") return kNone;
  const ValueId x = where.inputs[2];
  const Node* less = ProducerIf(graph, where.inputs[0], "Less");
  const Node* mul = ProducerIf(graph, where.inputs[1], "Mul");
  const bool matches = less != nullptr && mul != nullptr &&
                       less->inputs[0] == x &&
                       IsScalar(graph, less->inputs[1], 0) &&
                       (mul->inputs[0] == x || mul->inputs[1] == x);
  return matches ? OtherInput(*mul, x) : kNone;
}

std::vector<float> Transposed(const std::vector<float>& rows, size_t n) {
  const size_t k = rows.size() / n;
  std::vector<float> columns(rows.size());
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = 0; i < k; ++i) columns[i * n + j] = rows[j * k + i];
  }
  return columns;
}

Result<ValueId> Emit(Graph& graph, std::string op, std::string name,
                     std::vector<ValueId> inputs, AttributeMap attributes,
                     std::string output_name) {
  const ValueId output =
      graph.Emit(std::move(op), std::move(name), std::move(inputs),
                 std::move(attributes), std::move(output_name), std::nullopt);
  BITTERN_TRY(InferNode(graph, graph.ProducerId(output)));
  return output;
}

Result<void> Rewrite(Graph& graph, NodeId id, std::string op,
                     std::vector<ValueId> inputs, AttributeMap attributes) {
  Node& node = graph.node(id);
  node.op = std::move(op);
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  return InferNode(graph, id);
}

Result<ValueId> EmitReshape(Graph& graph, const std::string& name,
                            ValueId input, const Shape& shape,
                            std::string output_name) {
  const std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  const ValueId target =
      graph.AddI64(name + ".shape", {static_cast<int64_t>(dims.size())}, dims);
  return Emit(graph, "Reshape", name, {input, target}, {},
              std::move(output_name));
}

Result<void> RewriteAsReshape(Graph& graph, NodeId node, ValueId input,
                              const Shape& shape) {
  const std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  const ValueId target =
      graph.AddI64(graph.node(node).name + ".shape",
                   {static_cast<int64_t>(dims.size())}, dims);
  return Rewrite(graph, node, "Reshape", {input, target}, {});
}

ValueId AddVector(Graph& graph, std::string name,
                  const std::vector<float>& values) {
  return graph.AddF32(std::move(name),
                      ShapeOfDims({static_cast<int64_t>(values.size())}),
                      values);
}

namespace {

Result<ValueId> AddData(Graph& graph, std::string name, const TensorType& type,
                        const void* data, size_t bytes) {
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                     runtime::AlignedBuffer::Make(bytes));
  if (bytes != 0) std::memcpy(buffer.data(), data, bytes);
  return graph.AddConstant(
      std::move(name), type,
      std::make_shared<const runtime::AlignedBuffer>(std::move(buffer)));
}

}  // namespace

Result<ValueId> AddI32(Graph& graph, std::string name,
                       const std::vector<int32_t>& values) {
  const Shape shape = ShapeOfDims({static_cast<int64_t>(values.size())});
  return AddData(graph, std::move(name), {runtime::DType::kI32, shape, {}},
                 values.data(), values.size() * sizeof(int32_t));
}

Result<ValueId> AddU8(Graph& graph, std::string name, const Shape& shape,
                      const std::vector<uint8_t>& values) {
  return AddData(graph, std::move(name), {runtime::DType::kU8, shape, {}},
                 values.data(), values.size());
}

}  // namespace bittern::convert
