#include "converter/ir/cut_body.h"

#include <algorithm>
#include <map>
#include <utility>

namespace bittern::convert {
namespace {

class BodyCutter {
 public:
  BodyCutter(const Graph& graph, size_t first, size_t last)
      : graph_(graph), first_(first), needed_(last - first) {}

  CutBody Run(const std::vector<ValueId>& inputs,
              const std::vector<ValueId>& outputs) {
    for (ValueId input : inputs) AddInput(input);
    Need(outputs);
    for (size_t i = 0; i < needed_.size(); ++i) {
      if (needed_[i]) Copy(graph_.nodes()[first_ + i]);
    }
    for (ValueId output : outputs) {
      const ValueId id = ValueOf(output);
      body_.outputs.push_back(id);
      body_.output_names.push_back(body_.value(id).name);
    }
    return {std::make_shared<const Graph>(std::move(body_)),
            std::move(captured_)};
  }

 private:
  bool IsInside(NodeId producer) const {
    return producer != kNone && static_cast<size_t>(producer) >= first_ &&
           static_cast<size_t>(producer) < first_ + needed_.size();
  }

  void Need(std::vector<ValueId> pending) {
    while (!pending.empty()) {
      const ValueId id = pending.back();
      pending.pop_back();
      const NodeId producer = graph_.ProducerId(id);
      if (!IsInside(producer)) continue;
      const size_t at = static_cast<size_t>(producer) - first_;
      if (needed_[at]) continue;
      needed_[at] = true;
      const std::vector<ValueId>& read = graph_.node(producer).inputs;
      pending.insert(pending.end(), read.begin(), read.end());
    }
  }

  ValueId AddInput(ValueId id) {
    const Value& value = graph_.value(id);
    const ValueId own = body_.AddValue(value.name, value.type);
    body_.inputs.push_back(own);
    own_.emplace(id, own);
    return own;
  }

  ValueId ValueOf(ValueId id) {
    if (id == kNone) return kNone;
    const auto found = own_.find(id);
    if (found != own_.end()) return found->second;
    const Value& value = graph_.value(id);
    if (value.constant != nullptr) {
      const ValueId own =
          body_.AddConstant(value.name, *value.type, value.constant);
      own_.emplace(id, own);
      return own;
    }
    captured_.push_back(id);
    return AddInput(id);
  }

  void Copy(const Node& node) {
    std::vector<ValueId> inputs, outputs;
    for (ValueId id : node.inputs) inputs.push_back(ValueOf(id));
    for (ValueId id : node.outputs) {
      outputs.push_back(kNone);
      if (id == kNone) continue;
      const Value& value = graph_.value(id);
      outputs.back() = body_.AddValue(value.name, value.type);
      own_.emplace(id, outputs.back());
    }
    const NodeId copy =
        body_.AddNode(node.op, node.name, inputs, outputs, node.attributes);
    body_.node(copy).bodies = node.bodies;
  }

  const Graph& graph_;
  size_t first_;
  std::vector<bool> needed_;
  Graph body_;
  std::map<ValueId, ValueId> own_;
  std::vector<ValueId> captured_;
};

}  // namespace

CutBody CutBodyFrom(const Graph& graph, size_t first, size_t last,
                    const std::vector<ValueId>& inputs,
                    const std::vector<ValueId>& outputs) {
  return BodyCutter(graph, first, last).Run(inputs, outputs);
}

std::vector<ValueId> JoinCaptured(std::vector<CutBody>& bodies) {
  std::vector<ValueId> all;
  for (const CutBody& body : bodies) {
    for (ValueId id : body.captured) {
      if (std::find(all.begin(), all.end(), id) == all.end()) all.push_back(id);
    }
  }
  for (CutBody& body : bodies) {
    auto joined = std::make_shared<Graph>(*body.graph);
    const std::vector<ValueId> old = std::exchange(joined->inputs, {});
    for (ValueId id : all) {
      const auto found =
          std::find(body.captured.begin(), body.captured.end(), id);
      const auto at = static_cast<size_t>(found - body.captured.begin());
      joined->inputs.push_back(
          at < old.size() ? old[at] : joined->AddValue("unused", std::nullopt));
    }
    body.graph = std::move(joined);
    body.captured = all;
  }
  return all;
}

}  // namespace bittern::convert
