// Editing and ordering of the converter's graph. Walks are linear in the size
// of the graph and iterative, so that a hostile file cannot exhaust the stack.
#include "converter/ir/graph.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bittern::convert {
namespace {

template <class T>
Result<ConstantData> CopyToConstant(const std::vector<T>& values) {
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                     runtime::AlignedBuffer::Make(
                         std::max<size_t>(values.size(), 1) * sizeof(T)));
  if (!values.empty()) {
    std::memcpy(buffer.data(), values.data(), values.size() * sizeof(T));
  }
  return ConstantData(
      std::make_shared<const runtime::AlignedBuffer>(std::move(buffer)));
}

template <class T>
std::vector<T> ReadConstant(const Value& value, runtime::DType dtype) {
  if (value.constant == nullptr || value.type->dtype != dtype) return {};
  std::vector<T> values(static_cast<size_t>(value.type->shape.Elements()));
  if (!values.empty()) {
    std::memcpy(values.data(), value.constant->data(),
                values.size() * sizeof(T));
  }
  return values;
}

// Depth-first post-order over producers, one node at a time from `root`.
class Sorter {
 public:
  explicit Sorter(const Graph& graph)
      : graph_(graph), state_(graph.nodes().size(), State::kNew) {}

  Result<void> Visit(NodeId root) {
    if (state_[static_cast<size_t>(root)] == State::kDone) return {};
    stack_.push_back({root, 0});
    state_[static_cast<size_t>(root)] = State::kOpen;
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      const Node& node = graph_.node(frame.node);
      if (frame.next_input == node.inputs.size()) {
        state_[static_cast<size_t>(frame.node)] = State::kDone;
        order_.push_back(frame.node);
        stack_.pop_back();
        continue;
      }
      const NodeId producer =
          graph_.ProducerId(node.inputs[frame.next_input++]);
      if (producer == kNone) continue;
      State& state = state_[static_cast<size_t>(producer)];
      if (state == State::kOpen) {
        const Node& culprit = graph_.node(producer);
        return runtime::InvalidArgument("the graph has a cycle through node '" +
                                        culprit.name + "' (" + culprit.op +
                                        "), expected none");
      }
      if (state == State::kDone) continue;
      state = State::kOpen;
      stack_.push_back({producer, 0});
    }
    return {};
  }

  const std::vector<NodeId>& order() const { return order_; }

 private:
  enum class State : uint8_t { kNew, kOpen, kDone };
  struct Frame {
    NodeId node;
    size_t next_input;
  };
  const Graph& graph_;
  std::vector<State> state_;
  std::vector<Frame> stack_;
  std::vector<NodeId> order_;
};

}  // namespace

size_t StatesOf(const Node& loop) {
  const auto found = loop.attributes.find("states");
  const auto* states = found == loop.attributes.end()
                           ? nullptr
                           : std::get_if<int64_t>(&found->second);
  return states == nullptr ? 0 : static_cast<size_t>(*states);
}

ValueId Graph::AddValue(std::string name, std::optional<TensorType> type) {
  if (name.empty()) name = "v";
  if (!names_.insert(name).second) {
    // The count of all values makes the first try unique nearly always.
    size_t suffix = values_.size();
    std::string candidate;
    do {
      candidate = name + "." + std::to_string(suffix++);
    } while (!names_.insert(candidate).second);
    name = std::move(candidate);
  }
  values_.push_back({std::move(name), std::move(type), nullptr, kNone});
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::AddConstant(std::string name, TensorType type,
                           ConstantData data) {
  const ValueId id = AddValue(std::move(name), std::move(type));
  value(id).constant = std::move(data);
  return id;
}

ValueId Graph::AddF32(std::string name, const Shape& shape,
                      const std::vector<float>& values) {
  Result<ConstantData> data = CopyToConstant(values);
  return AddConstant(std::move(name), {runtime::DType::kF32, shape, {}},
                     data.ok() ? std::move(data).value() : nullptr);
}

ValueId Graph::AddI64(std::string name, const Shape& shape,
                      const std::vector<int64_t>& values) {
  Result<ConstantData> data = CopyToConstant(values);
  return AddConstant(std::move(name), {runtime::DType::kI64, shape, {}},
                     data.ok() ? std::move(data).value() : nullptr);
}

NodeId Graph::AddNode(std::string op, std::string name,
                      std::vector<ValueId> inputs_of_node,
                      std::vector<ValueId> outputs_of_node,
                      AttributeMap attributes) {
  const auto id = static_cast<NodeId>(nodes_.size());
  for (ValueId output : outputs_of_node) {
    if (output != kNone) value(output).producer = id;
  }
  nodes_.push_back({std::move(op), std::move(name), std::move(inputs_of_node),
                    std::move(outputs_of_node), std::move(attributes), false});
  return id;
}

ValueId Graph::Emit(std::string op, std::string name,
                    std::vector<ValueId> inputs_of_node,
                    AttributeMap attributes, std::string output_name,
                    std::optional<TensorType> type) {
  const ValueId output = AddValue(std::move(output_name), std::move(type));
  AddNode(std::move(op), std::move(name), std::move(inputs_of_node), {output},
          std::move(attributes));
  return output;
}

void Graph::ReplaceUses(ValueId from, ValueId to) {
  for (Node& node : nodes_) {
    if (node.removed) continue;
    std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  }
  std::replace(outputs.begin(), outputs.end(), from, to);
}

void Graph::RemoveNode(NodeId id) {
  Node& removed = node(id);
  removed.removed = true;
  for (ValueId output : removed.outputs) {
    if (output != kNone && value(output).producer == id) {
      value(output).producer = kNone;
    }
  }
  removed.inputs.clear();
  removed.outputs.clear();
}

void Graph::RemoveDead() {
  std::vector<bool> node_lives(nodes_.size(), false);
  std::vector<bool> value_lives(values_.size(), false);
  std::vector<ValueId> pending = outputs;
  pending.insert(pending.end(), inputs.begin(), inputs.end());
  while (!pending.empty()) {
    const ValueId id = pending.back();
    pending.pop_back();
    if (id == kNone || value_lives[static_cast<size_t>(id)]) continue;
    value_lives[static_cast<size_t>(id)] = true;
    const NodeId producer = value(id).producer;
    if (producer == kNone || node_lives[static_cast<size_t>(producer)]) {
      continue;
    }
    node_lives[static_cast<size_t>(producer)] = true;
    const Node& live = node(producer);
    pending.insert(pending.end(), live.inputs.begin(), live.inputs.end());
    pending.insert(pending.end(), live.outputs.begin(), live.outputs.end());
  }

  std::vector<ValueId> new_value(values_.size(), kNone);
  std::vector<Value> kept_values;
  for (size_t i = 0; i < values_.size(); ++i) {
    if (!value_lives[i]) continue;
    new_value[i] = static_cast<ValueId>(kept_values.size());
    kept_values.push_back(std::move(values_[i]));
    kept_values.back().producer = kNone;
  }
  values_ = std::move(kept_values);
  const auto renumber = [&new_value](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id != kNone) id = new_value[static_cast<size_t>(id)];
    }
  };
  std::vector<Node> kept_nodes;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!node_lives[i] || nodes_[i].removed) continue;
    Node& kept = kept_nodes.emplace_back(std::move(nodes_[i]));
    renumber(kept.inputs);
    renumber(kept.outputs);
    for (ValueId output : kept.outputs) {
      if (output != kNone) {
        value(output).producer = static_cast<NodeId>(kept_nodes.size() - 1);
      }
    }
  }
  nodes_ = std::move(kept_nodes);
  renumber(inputs);
  renumber(outputs);
}

Result<void> Graph::Sort() {
  Sorter sorter(*this);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].removed) continue;
    BITTERN_TRY(sorter.Visit(static_cast<NodeId>(i)));
  }
  std::vector<Node> sorted;
  sorted.reserve(sorter.order().size());
  for (NodeId id : sorter.order()) sorted.push_back(std::move(node(id)));
  nodes_ = std::move(sorted);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (ValueId output : nodes_[i].outputs) {
      if (output != kNone) value(output).producer = static_cast<NodeId>(i);
    }
  }
  return {};
}

std::vector<NodeId> Graph::Users(ValueId id) const {
  std::vector<NodeId> users;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const std::vector<ValueId>& read = nodes_[i].inputs;
    if (!nodes_[i].removed &&
        std::find(read.begin(), read.end(), id) != read.end()) {
      users.push_back(static_cast<NodeId>(i));
    }
  }
  return users;
}

size_t Graph::UseCount(ValueId id) const {
  auto count = std::count(outputs.begin(), outputs.end(), id);
  for (const Node& node : nodes_) {
    if (node.removed) continue;
    count += std::count(node.inputs.begin(), node.inputs.end(), id);
  }
  return static_cast<size_t>(count);
}

const Node* Graph::Producer(ValueId id) const {
  const NodeId producer = ProducerId(id);
  return producer == kNone ? nullptr : &node(producer);
}

std::vector<float> Graph::F32(ValueId id) const {
  if (!IsConstant(id)) return {};
  return ReadConstant<float>(value(id), runtime::DType::kF32);
}

std::vector<int64_t> Graph::I64(ValueId id) const {
  if (!IsConstant(id)) return {};
  return ReadConstant<int64_t>(value(id), runtime::DType::kI64);
}

}  // namespace bittern::convert
