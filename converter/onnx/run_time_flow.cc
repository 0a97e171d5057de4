#include "converter/onnx/run_time_flow.h"

#include <algorithm>
#include <string>
#include <utility>

#include "converter/ir/cut_body.h"
#include "converter/ir/unknown_sizes.h"

namespace bittern::convert {
namespace {

using runtime::DType;

constexpr int kMaxImports = 32;  // of a body, until the types of states settle

// A type that both are instances of.
Result<TensorType> Common(OnnxNode& node, const TensorType& a,
                          const TensorType& b) {
  if (a.dtype != b.dtype || a.code != b.code ||
      a.shape.rank() != b.shape.rank()) {
    return node.FailUnsupported("a result is " + runtime::ToString(a) + " or " +
                                runtime::ToString(b) +
                                ", as the run decides; expected one element "
                                "type and rank");
  }
  TensorType common = a;
  for (size_t d = 0; d < a.shape.rank(); ++d) {
    if (a.shape[d] != b.shape[d]) common.shape[d] = -1;
  }
  return common;
}

// Adds the node and answers with its outputs.
void Add(OnnxNode& node, std::vector<ValueId> inputs,
         const std::vector<TensorType>& types, AttributeMap attributes,
         const std::vector<CutBody>& bodies) {
  Graph& graph = node.graph();
  std::vector<ValueId> outputs;
  for (const TensorType& type : types) {
    outputs.push_back(
        graph.AddValue(node.name().substr(0, kMaxNameBytes) + "/out", type));
  }
  const NodeId id = graph.AddNode(node.op(), node.name(), std::move(inputs),
                                  outputs, std::move(attributes));
  for (const CutBody& body : bodies)
    graph.node(id).bodies.push_back(body.graph);
  for (size_t i = 0; i < node.output_count(); ++i)
    node.AnswerWith(outputs[i], i);
}

Result<void> ExpectOne(OnnxNode& node, ValueId id, DType dtype,
                       const char* what) {
  if (id == kNone) return {};
  const TensorType& type = node.TypeOf(id);
  const bool one = !type.shape.IsStatic() || type.shape.Elements() == 1;
  if (type.dtype == dtype && one) return {};
  return node.Fail(std::string(what) + " is " + runtime::ToString(type) +
                   ", expected one " + runtime::ToString(dtype));
}

}  // namespace

bool MayComputeBoth(OnnxNode& node, const Branch& yes, const Branch& no) {
  for (size_t i = 0; i < node.output_count(); ++i) {
    const TensorType& type = node.TypeOf(yes.results[i]);
    if (type != node.TypeOf(no.results[i]) || !type.shape.IsStatic())
      return false;
  }
  const Graph& graph = node.graph();
  for (size_t i = yes.first; i < no.last; ++i) {
    const Node& inside = graph.nodes()[i];
    if (!inside.removed && HasUnknownSizes(graph, inside)) return false;
  }
  return true;
}

Result<void> AnswerIf(OnnxNode& node, ValueId condition, const Branch& yes,
                      const Branch& no) {
  BITTERN_TRY(ExpectOne(node, condition, DType::kBool, "the condition"));
  std::vector<TensorType> types;
  for (size_t i = 0; i < yes.results.size(); ++i) {
    BITTERN_TRY_ASSIGN(
        TensorType type,
        Common(node, node.TypeOf(yes.results[i]), node.TypeOf(no.results[i])));
    types.push_back(std::move(type));
  }
  const Graph& graph = node.graph();
  std::vector<CutBody> bodies = {
      CutBodyFrom(graph, yes.first, yes.last, {}, yes.results),
      CutBodyFrom(graph, no.first, no.last, {}, no.results)};
  std::vector<ValueId> inputs = {condition};
  const std::vector<ValueId> captured = JoinCaptured(bodies);
  inputs.insert(inputs.end(), captured.begin(), captured.end());
  Add(node, std::move(inputs), types, {}, bodies);
  return {};
}

namespace {

// A body of a Loop, imported for states of some types.
class LoopBody {
 public:
  LoopBody(OnnxNode& node, const onnx::GraphProto& proto)
      : node_(node), proto_(proto) {}

  // Imports it until its states end a turn with types that they may start
  // one with.
  Result<void> Import(std::vector<TensorType> states) {
    states_ = std::move(states);
    for (int i = 0; i < kMaxImports; ++i) {
      BITTERN_TRY(ImportOnce());
      std::vector<TensorType> common;
      for (size_t s = 0; s < states_.size(); ++s) {
        BITTERN_TRY_ASSIGN(
            TensorType type,
            Common(node_, states_[s], node_.TypeOf(results_[s + 1])));
        common.push_back(std::move(type));
      }
      if (common == states_) return {};
      states_ = std::move(common);
    }
    return node_.FailUnsupported(
        "the sizes of its values do not settle after " +
        std::to_string(kMaxImports) + " turns, expected that they do");
  }

  std::vector<TensorType> OutputTypes() const {
    std::vector<TensorType> types = states_;
    for (size_t i = states_.size() + 1; i < results_.size(); ++i) {
      TensorType type = node_.TypeOf(results_[i]);
      const Shape row = type.shape;
      type.shape = {-1};
      for (const int64_t size : row.dims()) type.shape.Append(size);
      types.push_back(std::move(type));
    }
    return types;
  }

  CutBody Cut() const {
    return CutBodyFrom(node_.graph(), first_, last_, inputs_, results_);
  }

 private:
  Result<void> ImportOnce() {
    Graph& graph = node_.graph();
    inputs_.clear();
    const auto add = [&](const TensorType& type) {
      inputs_.push_back(
          graph.AddValue(node_.name().substr(0, kMaxNameBytes) + "/in", type));
    };
    add({DType::kI64, {}, {}});
    add({DType::kBool, {}, {}});
    for (const TensorType& type : states_) add(type);
    first_ = graph.nodes().size();
    BITTERN_TRY_ASSIGN(results_, node_.ImportSubgraph(proto_, inputs_));
    last_ = graph.nodes().size();
    BITTERN_TRY(ExpectOne(node_, results_[0], DType::kBool, "the condition"));
    for (size_t i = states_.size() + 1; i < results_.size(); ++i) {
      if (node_.ShapeOf(results_[i]).rank() < runtime::kMaxRank) continue;
      return node_.FailUnsupported("a stacked value has " +
                                   std::to_string(runtime::kMaxRank) +
                                   " dimensions, expected fewer");
    }
    return {};
  }

  OnnxNode& node_;
  const onnx::GraphProto& proto_;
  std::vector<TensorType> states_;
  std::vector<ValueId> inputs_, results_;
  size_t first_ = 0, last_ = 0;
};

}  // namespace

Result<void> AnswerLoop(OnnxNode& node, const onnx::GraphProto& body) {
  BITTERN_TRY(ExpectOne(node, node.Input(0), DType::kI64, "the turns"));
  BITTERN_TRY(ExpectOne(node, node.Input(1), DType::kBool, "the condition"));
  std::vector<ValueId> inputs = node.inputs();
  inputs.resize(std::max<size_t>(inputs.size(), 2), kNone);
  std::vector<TensorType> states;
  for (size_t i = 2; i < inputs.size(); ++i)
    states.push_back(node.TypeOf(inputs[i]));
  const auto count = static_cast<int64_t>(states.size());
  LoopBody imported(node, body);
  BITTERN_TRY(imported.Import(std::move(states)));
  const std::vector<CutBody> bodies = {imported.Cut()};
  inputs.insert(inputs.end(), bodies[0].captured.begin(),
                bodies[0].captured.end());
  Add(node, std::move(inputs), imported.OutputTypes(), {{"states", count}},
      bodies);
  return {};
}

}  // namespace bittern::convert
