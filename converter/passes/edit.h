// Small reads and edits of the graph that passes share. New nodes get their
// output types at once, so that a pass may look at what it has just made.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "converter/ir/graph.h"

namespace bittern::convert {

// --- looking
// The node that makes `id` if its operator is `op`, else null.
const Node* ProducerIf(const Graph& graph, ValueId id, std::string_view op);
// The only node that reads `id`, if it is read once in all and is no output.
std::optional<NodeId> OnlyUser(const Graph& graph, ValueId id);
// The only node that reads `id` if its operator is `op`.
std::optional<NodeId> OnlyUserIf(const Graph& graph, ValueId id,
                                 std::string_view op);
// Static shape of a value whose type is known, else nothing.
std::optional<Shape> StaticShape(const Graph& graph, ValueId id);
// The value of an f32 constant of one element.
std::optional<float> ScalarOf(const Graph& graph, ValueId id);
bool IsScalar(const Graph& graph, ValueId id, float value);
// The other input of a node with two.
ValueId OtherInput(const Node& node, ValueId input);
// The constant input of a two-input node of which the other is not constant.
ValueId ConstantOperand(const Graph& graph, const Node& node);
int64_t IntOf(const Node& node, std::string_view attribute, int64_t fallback);
float FloatOf(const Node& node, std::string_view attribute, float fallback);
std::vector<int64_t> IntsOf(const Node& node, std::string_view attribute);
std::string StringOf(const Node& node, std::string_view attribute);
// Whether the one reduced axis is the last one, and it is kept.
bool ReducesLastAxis(const Graph& graph, const Node& node);
// The values of f32 constant `id`, read as one per index of axis `axis` of a
// tensor of shape `target` that it broadcasts to; a scalar is repeated. Nothing
// if it varies along another axis.
std::optional<std::vector<float>> AlongAxis(const Graph& graph, ValueId id,
                                            const Shape& target, size_t axis);
// The slope of Where(x < 0, x * slope, x), a PRelu spelled out, x being its
// third input; kNone if `where` is something else.
ValueId SlopeOf(const Graph& graph, const Node& where);
// Rows [n][k] as [k][n].
std::vector<float> Transposed(const std::vector<float>& rows, size_t n);

// --- walking
// visit(id) for each live node of that operator that was there at the start, in
// order, until one fails. Nodes may be added and removed on the way.
template <class Visit>
Result<void> ForEachNode(Graph& graph, std::string_view op,
                         const Visit& visit) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed || graph.node(id).op != op) continue;
    BITTERN_TRY(visit(id));
  }
  return {};
}

// --- editing
Result<ValueId> Emit(Graph& graph, std::string op, std::string name,
                     std::vector<ValueId> inputs, AttributeMap attributes,
                     std::string output_name);
// Turns `node` into another operation; its output values, with their names, now
// come from that.
Result<void> Rewrite(Graph& graph, NodeId node, std::string op,
                     std::vector<ValueId> inputs, AttributeMap attributes);
Result<ValueId> EmitReshape(Graph& graph, const std::string& name,
                            ValueId input, const Shape& shape,
                            std::string output_name);
Result<void> RewriteAsReshape(Graph& graph, NodeId node, ValueId input,
                              const Shape& shape);
ValueId AddVector(Graph& graph, std::string name,
                  const std::vector<float>& values);
Result<ValueId> AddI32(Graph& graph, std::string name,
                       const std::vector<int32_t>& values);
Result<ValueId> AddU8(Graph& graph, std::string name, const Shape& shape,
                      const std::vector<uint8_t>& values);

}  // namespace bittern::convert
