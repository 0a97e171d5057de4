// The converter's graph: nodes are runtime ops by name (plus ONNX-only helpers
// that passes remove), values are named and typed. Passes edit it in place. Not
// thread-safe. Printable (print.h) and parsable (parse.h): the text form is
// what pass tests compare.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "runtime/base/aligned_buffer.h"
#include "runtime/base/result.h"
#include "runtime/base/tensor.h"
#include "runtime/model/model.h"

namespace bittern::convert {

using runtime::AttributeMap;
using runtime::AttributeValue;
using runtime::Error;
using runtime::Result;
using runtime::Shape;
using runtime::TensorType;

using ValueId =
    int32_t;  // index into Graph::values(); kNoValue = absent optional input
using NodeId = int32_t;  // index into Graph::nodes()
inline constexpr int32_t kNone = -1;
// The most nodes that passes take. They ask who reads a value by walking the
// graph: with this many nodes, ten times those of the largest exports, a
// hostile file costs seconds, not hours.
inline constexpr size_t kMaxNodes = 50'000;

// Constant bytes; shared because values may be cloned. Layout:
// runtime::ByteSize(type) bytes, 64-byte aligned.
using ConstantData = std::shared_ptr<const runtime::AlignedBuffer>;

struct Value {
  std::string name;                // unique, non-empty
  std::optional<TensorType> type;  // known after shape inference
  ConstantData constant;  // set for constants (then type is set as well)
  NodeId producer =
      kNone;  // node that makes it; kNone for constants and graph inputs
};

class Graph;

// If: inputs condition, captured...; two bodies, with an input for each value
// captured and an output for each output of the node. Loop: inputs turns?,
// condition?, states..., captured..., attribute `states`; one body, with as
// many inputs (turn, condition, states..., captured...) and the outputs
// condition, states..., rows...; outputs states..., rows stacked...
struct Node {
  std::string op;
  std::string name;  // ONNX node name(s), for messages and the report
  std::vector<ValueId> inputs;  // kNone = absent
  std::vector<ValueId> outputs;
  AttributeMap attributes;
  bool removed = false;  // tombstone; skipped everywhere
  std::vector<std::shared_ptr<const Graph>> bodies = {};
};
size_t StatesOf(const Node& loop);

class Graph {
 public:
  // --- building
  ValueId AddValue(std::string name,
                   std::optional<TensorType>
                       type);  // makes the name unique by a suffix if taken
  ValueId AddConstant(std::string name, TensorType type, ConstantData data);
  ValueId AddF32(std::string name, const Shape& shape,
                 const std::vector<float>& values);
  ValueId AddI64(std::string name, const Shape& shape,
                 const std::vector<int64_t>& values);
  NodeId AddNode(std::string op, std::string name, std::vector<ValueId> inputs,
                 std::vector<ValueId> outputs, AttributeMap attributes);
  // Adds a node with one new output value (named after `output_name`), appended
  // in topological position by Sort(); returns the output.
  ValueId Emit(std::string op, std::string name, std::vector<ValueId> inputs,
               AttributeMap attributes, std::string output_name,
               std::optional<TensorType> type);

  // --- editing
  void ReplaceUses(
      ValueId from,
      ValueId to);  // in all node inputs and graph outputs (an output keeps its
                    // public name: see output_names)
  void RemoveNode(
      NodeId node);  // tombstones it; its outputs must have no uses left
  // Drops nodes whose outputs nobody uses, tombstones and unused values.
  // Renumbers: ids held before the call are void.
  void RemoveDead();
  // Topological order of nodes(), each right before its first user where
  // possible; drops tombstones. Renumbers nodes (not values). An error names a
  // cycle.
  Result<void> Sort();

  // --- looking
  const std::vector<Node>& nodes() const { return nodes_; }
  Node& node(NodeId id) { return nodes_[static_cast<size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  const std::vector<Value>& values() const { return values_; }
  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const {
    return values_[static_cast<size_t>(id)];
  }
  std::vector<NodeId> Users(
      ValueId id) const;              // live nodes that read it (once per node)
  size_t UseCount(ValueId id) const;  // node inputs + graph outputs
  const Node* Producer(
      ValueId id) const;  // null for constants, inputs and kNone
  NodeId ProducerId(ValueId id) const {
    return id == kNone ? kNone : value(id).producer;
  }
  bool IsConstant(ValueId id) const {
    return id != kNone && value(id).constant != nullptr;
  }
  // Values of an f32 / i64 constant; empty if it is not one.
  std::vector<float> F32(ValueId id) const;
  std::vector<int64_t> I64(ValueId id) const;

  std::vector<ValueId> inputs, outputs;   // graph inputs and outputs
  std::vector<std::string> output_names;  // public names, parallel to outputs
  std::vector<std::string> notes;         // what passes want the report to say
                                   // ("removed 48 straight-through residues")

 private:
  std::vector<Node> nodes_;
  std::vector<Value> values_;
  std::unordered_set<std::string> names_;  // of values ever added
};

}  // namespace bittern::convert
