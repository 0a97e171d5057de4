// Moves a quantiser with one scale behind what merely rearranges or selects
// elements, f(Dequantize(Quantize(x))) -> Dequantize(Quantize(f(x))), where a
// product by constants reads the result, so that it sees codes: Reshape,
// Transpose, Split, Slice, Gather, MaxPool (of a positive scale), and Concat of
// tensors with equal quantisers. Other readers keep the old one.
#include <algorithm>
#include <array>
#include <string_view>

#include "converter/passes/linear_chain.h"
#include "converter/passes/passes.h"
#include "converter/passes/value_numbers.h"

namespace bittern::convert {
namespace {

constexpr int kMaxDepth = 8;
// Nodes looked at for one product: a hostile graph nests wide Concats.
constexpr int kMaxVisits = 256;
constexpr std::array<std::string_view, 9> kMoves = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose",
    "Split",   "Slice",   "Gather",  "MaxPool"};

class Sinker {
 public:
  explicit Sinker(Graph& graph) : graph_(graph), same_(graph) {}

  // The product `id`, if its left operand rearranges what a quantiser made.
  Result<void> Visit(NodeId id) {
    const ValueId operand = graph_.node(id).inputs[0];
    if (ProducerIf(graph_, operand, "Dequantize") != nullptr) return {};
    visits_ = 0;
    const NodeId source = Trace(operand, 0);
    if (source == kNone) return {};
    BITTERN_TRY_ASSIGN(const ValueId x, Without(operand));
    const Node dequantize = graph_.node(source);
    const Node quantize = *graph_.Producer(dequantize.inputs[0]);
    std::vector<ValueId> inputs = quantize.inputs;
    inputs[0] = x;
    const std::string name = graph_.value(operand).name;
    // Not ".codes": the value of that name holds levels, and `compare` would
    // take them for codes.
    BITTERN_TRY_ASSIGN(const ValueId codes,
                       Emit(graph_, "Quantize", quantize.name, inputs,
                            quantize.attributes, name + ".moved"));
    inputs = dequantize.inputs;
    inputs[0] = codes;
    BITTERN_TRY_ASSIGN(const ValueId levels,
                       Emit(graph_, "Dequantize", dequantize.name, inputs,
                            dequantize.attributes, name + ".levels"));
    graph_.node(id).inputs[0] = levels;
    return {};
  }

 private:
  // The Dequantize above `id`, whose quantiser may move down to it; kNone if
  // there is none.
  NodeId Trace(ValueId id, int depth) {
    const Node* node = graph_.Producer(id);
    if (node == nullptr || depth > kMaxDepth || ++visits_ > kMaxVisits) {
      return kNone;
    }
    if (node->op == "Dequantize") {
      const Node* quantize = ProducerIf(graph_, node->inputs[0], "Quantize");
      return quantize != nullptr && StringOf(*quantize, "per") == "tensor"
                 ? graph_.ProducerId(id)
                 : kNone;
    }
    if (node->op == "Concat") {
      const NodeId first = Trace(node->inputs[0], depth + 1);
      for (ValueId input : node->inputs) {
        const NodeId other = Trace(input, depth + 1);
        if (first == kNone || other == kNone || !SameQuantiser(first, other)) {
          return kNone;
        }
      }
      return first;
    }
    if (std::find(kMoves.begin(), kMoves.end(), node->op) == kMoves.end()) {
      return kNone;
    }
    const NodeId source = Trace(node->inputs[0], depth + 1);
    if (source == kNone || node->op != "MaxPool") return source;
    return KeepsOrder(source) ? source : kNone;
  }

  bool KeepsOrder(NodeId dequantize) const {
    const Node& levels = graph_.node(dequantize);
    const Node& codes = *graph_.Producer(levels.inputs[0]);
    const std::vector<float> to = graph_.F32(codes.inputs[1]);
    const std::vector<float> from = graph_.F32(levels.inputs[1]);
    return !to.empty() && !from.empty() && to[0] > 0 && from[0] > 0;
  }

  bool SameQuantiser(NodeId a, NodeId b) const {
    const Node &da = graph_.node(a), &db = graph_.node(b);
    const Node& qa = *graph_.Producer(da.inputs[0]);
    const Node& qb = *graph_.Producer(db.inputs[0]);
    return qa.attributes == qb.attributes && SameParameters(da, db) &&
           SameParameters(qa, qb);
  }

  bool SameParameters(const Node& a, const Node& b) const {
    if (a.inputs.size() != b.inputs.size()) return false;
    for (size_t i = 1; i < a.inputs.size(); ++i) {
      if (!same_.Same(a.inputs[i], b.inputs[i])) return false;
    }
    return true;
  }

  // `id` without the quantisers above it.
  Result<ValueId> Without(ValueId id) {
    const NodeId producer = graph_.ProducerId(id);
    const Node node = graph_.node(producer);
    if (node.op == "Dequantize") {
      return graph_.Producer(node.inputs[0])->inputs[0];
    }
    std::vector<ValueId> inputs = node.inputs;
    const size_t moved = node.op == "Concat" ? inputs.size() : 1;
    for (size_t i = 0; i < moved; ++i) {
      BITTERN_TRY_ASSIGN(inputs[i], Without(inputs[i]));
    }
    std::vector<ValueId> outputs;
    ValueId result = kNone;
    for (ValueId output : node.outputs) {
      outputs.push_back(graph_.AddValue(graph_.value(output).name + ".floats",
                                        graph_.value(output).type));
      if (output == id) result = outputs.back();
    }
    graph_.AddNode(node.op, node.name, inputs, outputs, node.attributes);
    return result;
  }

  Graph& graph_;
  ValueNumbers same_;
  int visits_ = 0;
};

}  // namespace

Result<void> SinkQuantisers(Graph& graph, PassContext&) {
  Sinker sinker(graph);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (MatchLinear(graph, id)) BITTERN_TRY(sinker.Visit(id));
  }
  return {};
}

}  // namespace bittern::convert
