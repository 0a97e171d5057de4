// Builds the index in linear time and without recursion.
#include "converter/onnx/model_index.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace bittern::convert {
namespace {

using runtime::CorruptFile;
using runtime::Error;
using runtime::Result;

enum State : uint8_t { kNew, kOpen, kDone };

Error TwoMakers(const std::string& name) {
  return CorruptFile("tensor '" + name + "' is made twice, expected once");
}

using Names = std::unordered_set<std::string_view>;
using Reads = std::vector<const std::string*>;

void AddReadsOf(const onnx::NodeProto& node, Reads* reads);

// What `graph` takes from the graphs around it.
void AddFreeNames(const onnx::GraphProto& graph, Reads* reads) {
  Names own;
  for (const auto& tensor : graph.initializer()) own.insert(tensor.name());
  for (const auto& input : graph.input()) own.insert(input.name());
  Reads all;
  for (const onnx::NodeProto& node : graph.node()) {
    for (const std::string& output : node.output()) own.insert(output);
    AddReadsOf(node, &all);
  }
  for (const auto& output : graph.output()) all.push_back(&output.name());
  for (const std::string* name : all) {
    if (!name->empty() && own.count(*name) == 0) reads->push_back(name);
  }
}

void AddReadsOf(const onnx::NodeProto& node, Reads* reads) {
  for (const std::string& input : node.input()) reads->push_back(&input);
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) AddFreeNames(attribute.g(), reads);
  }
}

}  // namespace

Result<ModelIndex> ModelIndex::Make(const onnx::GraphProto& graph,
                                    const OuterNames& outer) {
  ModelIndex index(graph);
  BITTERN_TRY(index.AddNames());
  index.AddReads();
  BITTERN_TRY(index.CheckInputs(outer));
  BITTERN_TRY(index.SortNodes());
  index.KeepLiveNodes();
  return index;
}

Result<void> ModelIndex::AddNames() {
  for (const onnx::TensorProto& tensor : graph_->initializer()) {
    if (!initializers_.emplace(tensor.name(), &tensor).second) {
      return TwoMakers(tensor.name());
    }
  }
  for (const onnx::ValueInfoProto& input : graph_->input()) {
    if (input.name().empty()) return CorruptFile("a graph input has no name");
    if (initializers_.count(input.name()) != 0) continue;
    if (!producers_.emplace(input.name(), -1).second) {
      return TwoMakers(input.name());
    }
  }
  for (int i = 0; i < graph_->node_size(); ++i) {
    bool makes_something = false;
    for (const std::string& output : graph_->node(i).output()) {
      if (output.empty()) continue;
      makes_something = true;
      if (initializers_.count(output) != 0 ||
          !producers_.emplace(output, i).second) {
        return TwoMakers(output);
      }
    }
    if (!makes_something) {
      return CorruptFile("node '" + NodeName(i) + "' (" +
                         graph_->node(i).op_type().substr(0, 64) +
                         ") has no outputs, expected one or more");
    }
  }
  return {};
}

void ModelIndex::AddReads() {
  reads_.resize(static_cast<size_t>(graph_->node_size()));
  for (int i = 0; i < graph_->node_size(); ++i) {
    AddReadsOf(graph_->node(i), &reads_[static_cast<size_t>(i)]);
  }
}

Result<void> ModelIndex::CheckInputs(const OuterNames& outer) const {
  const auto exists = [&](const std::string& name) {
    return name.empty() || producers_.count(name) != 0 ||
           initializers_.count(name) != 0 || (outer && outer(name));
  };
  for (int i = 0; i < graph_->node_size(); ++i) {
    for (const std::string* read : reads_[static_cast<size_t>(i)]) {
      const std::string& input = *read;
      if (exists(input)) continue;
      const bool sparse = std::any_of(
          graph_->sparse_initializer().begin(),
          graph_->sparse_initializer().end(),
          [&](const auto& tensor) { return tensor.values().name() == input; });
      if (sparse) {
        return runtime::Unsupported("initializer '" + input +
                                    "' is sparse, expected a dense one");
      }
      return CorruptFile("node '" + NodeName(i) + "' (" +
                         graph_->node(i).op_type() + ") reads tensor '" +
                         input +
                         "', expected a graph input, initializer or output of "
                         "a node");
    }
  }
  for (const onnx::ValueInfoProto& output : graph_->output()) {
    if (!output.name().empty() && exists(output.name())) continue;
    return CorruptFile("graph output '" + output.name() +
                       "' is made by no node, initializer or input");
  }
  return {};
}

Result<void> ModelIndex::SortNodes() {
  std::vector<uint8_t> state(static_cast<size_t>(graph_->node_size()), kNew);
  for (int i = 0; i < graph_->node_size(); ++i) {
    BITTERN_TRY(Visit(i, &state));
  }
  return {};
}

Result<void> ModelIndex::Visit(int root, std::vector<uint8_t>* state) {
  const auto at = [state](int node) -> uint8_t& {
    return (*state)[static_cast<size_t>(node)];
  };
  if (at(root) == kDone) return {};
  std::vector<std::pair<int, size_t>> stack = {{root, 0}};  // node, next read
  at(root) = kOpen;
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    const Reads& reads = reads_[static_cast<size_t>(node)];
    if (next == reads.size()) {
      at(node) = kDone;
      order_.push_back(node);
      stack.pop_back();
      continue;
    }
    const int producer = ProducerOf(*reads[next++]);
    if (producer < 0 || at(producer) == kDone) continue;
    if (at(producer) == kOpen) {
      return CorruptFile("the graph has a cycle through node '" +
                         NodeName(producer) + "' (" +
                         graph_->node(producer).op_type() + "), expected none");
    }
    at(producer) = kOpen;
    stack.emplace_back(producer, 0);
  }
  return {};
}

void ModelIndex::KeepLiveNodes() {
  std::unordered_set<int> live;
  for (const onnx::ValueInfoProto& output : graph_->output()) {
    live.insert(ProducerOf(output.name()));
  }
  std::vector<int> kept;
  for (size_t i = order_.size(); i-- > 0;) {
    if (live.count(order_[i]) == 0) continue;
    kept.push_back(order_[i]);
    for (const std::string* read : reads_[static_cast<size_t>(order_[i])]) {
      live.insert(ProducerOf(*read));
    }
  }
  order_.assign(kept.rbegin(), kept.rend());
}

const onnx::TensorProto* ModelIndex::Initializer(std::string_view name) const {
  const auto found = initializers_.find(name);
  return found == initializers_.end() ? nullptr : found->second;
}

std::string ModelIndex::NodeName(int node) const {
  const onnx::NodeProto& proto = graph_->node(node);
  if (!proto.name().empty()) return proto.name();
  return proto.op_type() + "_" + std::to_string(node);
}

int ModelIndex::ProducerOf(const std::string& name) const {
  const auto found = producers_.find(name);
  return found == producers_.end() ? -1 : found->second;
}

}  // namespace bittern::convert
