#include "converter/passes/unknown_tail.h"

#include <algorithm>
#include <map>
#include <utility>

#include "converter/ir/unknown_sizes.h"

namespace bittern::convert {
namespace {

// The nodes of unknown sizes and all that read from them. Nodes are in
// topological order.
std::vector<bool> TailOf(const Graph& graph) {
  std::vector<bool> in_tail(graph.nodes().size());
  for (size_t i = 0; i < in_tail.size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (node.removed) continue;
    const auto from_tail = [&](ValueId id) {
      const NodeId producer = graph.ProducerId(id);
      return producer != kNone && in_tail[static_cast<size_t>(producer)];
    };
    in_tail[i] = HasUnknownSizes(graph, node) ||
                 std::any_of(node.inputs.begin(), node.inputs.end(), from_tail);
  }
  return in_tail;
}

}  // namespace

UnknownTail UnknownTail::Detach(Graph& graph) {
  UnknownTail tail;
  const std::vector<bool> in_tail = TailOf(graph);
  if (std::find(in_tail.begin(), in_tail.end(), true) == in_tail.end())
    return tail;
  tail.empty_ = false;
  tail.output_names_ = graph.output_names;
  const std::vector<ValueId> outputs = std::exchange(graph.outputs, {});
  graph.output_names.clear();
  std::map<ValueId, Source> known;
  const auto source = [&](ValueId id) -> Source {
    if (id == kNone) return {};
    if (const auto it = known.find(id); it != known.end()) return it->second;
    Source made;
    const NodeId producer = graph.ProducerId(id);
    const auto input = std::find(graph.inputs.begin(), graph.inputs.end(), id);
    if (input != graph.inputs.end()) {
      made = {Source::Kind::kInput,
              static_cast<size_t>(input - graph.inputs.begin())};
    } else if (producer == kNone || in_tail[static_cast<size_t>(producer)]) {
      made = {Source::Kind::kOwn, tail.values_.size()};
      tail.values_.push_back(graph.value(id));
    } else {
      made = {Source::Kind::kOutput, graph.outputs.size()};
      graph.outputs.push_back(id);
      graph.output_names.push_back(graph.value(id).name);
    }
    known.emplace(id, made);
    return made;
  };
  const auto sources = [&](const std::vector<ValueId>& ids) {
    std::vector<Source> all;
    for (ValueId id : ids) all.push_back(source(id));
    return all;
  };
  for (size_t i = 0; i < in_tail.size(); ++i) {
    if (!in_tail[i]) continue;
    const Node& node = graph.nodes()[i];
    tail.nodes_.push_back({node.op, node.name, sources(node.inputs),
                           sources(node.outputs), node.attributes,
                           node.bodies});
  }
  tail.outputs_ = sources(outputs);
  for (size_t i = 0; i < in_tail.size(); ++i) {
    if (in_tail[i]) graph.RemoveNode(static_cast<NodeId>(i));
  }
  graph.RemoveDead();
  return tail;
}

void UnknownTail::Attach(Graph& graph) && {
  if (empty_) return;
  std::vector<ValueId> own;
  for (Value& value : values_) {
    own.push_back(value.constant != nullptr
                      ? graph.AddConstant(value.name, *value.type,
                                          std::move(value.constant))
                      : graph.AddValue(value.name, value.type));
  }
  const auto ids = [&](const std::vector<Source>& sources) {
    std::vector<ValueId> all;
    for (const Source& source : sources) {
      switch (source.kind) {
        case Source::Kind::kAbsent:
          all.push_back(kNone);
          break;
        case Source::Kind::kOutput:
          all.push_back(graph.outputs[source.index]);
          break;
        case Source::Kind::kInput:
          all.push_back(graph.inputs[source.index]);
          break;
        case Source::Kind::kOwn:
          all.push_back(own[source.index]);
          break;
      }
    }
    return all;
  };
  for (TailNode& node : nodes_) {
    const std::vector<ValueId> inputs = ids(node.inputs),
                               outputs = ids(node.outputs);
    const NodeId id =
        graph.AddNode(std::move(node.op), std::move(node.name), inputs, outputs,
                      std::move(node.attributes));
    graph.node(id).bodies = std::move(node.bodies);
  }
  std::vector<ValueId> outputs = ids(outputs_);
  graph.outputs = std::move(outputs);
  graph.output_names = std::move(output_names_);
}

}  // namespace bittern::convert
