// Moves a quantiser with one scale, or a sign, behind what merely rearranges or
// selects elements, f(Dequantize(Quantize(x))) -> Dequantize(Quantize(f(x))),
// where a product by constants, or a convolution, reads the result, so that it
// sees codes: Reshape, Transpose, Split, Slice, Gather, MaxPool (of a positive
// scale), and Concat of tensors with equal quantisers. Other readers keep the
// old one.
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
  Sinker(Graph& graph, PassContext& context)
      : graph_(graph), context_(context), same_(graph) {}

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
                       Emit(graph_, quantize.op, quantize.name, inputs,
                            quantize.attributes, name + ".moved"));
    const auto pattern =
        context_.patterns.find(graph_.value(quantize.outputs[0]).name);
    if (pattern != context_.patterns.end()) {
      const std::string moved = pattern->second + "+A14";
      context_.patterns[graph_.value(codes).name] = moved;
    }
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
      const Node* maker = graph_.Producer(node->inputs[0]);
      return maker != nullptr && IsOfTensor(*maker) ? graph_.ProducerId(id)
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

  // One scale for the tensor.
  static bool IsOfTensor(const Node& maker) {
    if (maker.op == "Binarize") return IntOf(maker, "group", 0) == 0;
    return maker.op == "Quantize" && StringOf(maker, "per") == "tensor";
  }

  bool KeepsOrder(NodeId dequantize) const {
    const Node& levels = graph_.node(dequantize);
    const Node& codes = *graph_.Producer(levels.inputs[0]);
    const auto rises = [this](const Node& node) {
      if (node.inputs.size() < 2) return true;  // a plain sign
      const std::vector<float> scale = graph_.F32(node.inputs[1]);
      return !scale.empty() && scale[0] > 0;
    };
    return rises(codes) && rises(levels);
  }

  bool SameQuantiser(NodeId a, NodeId b) const {
    const Node &da = graph_.node(a), &db = graph_.node(b);
    const Node& qa = *graph_.Producer(da.inputs[0]);
    const Node& qb = *graph_.Producer(db.inputs[0]);
    return qa.op == qb.op && qa.attributes == qb.attributes &&
           SameParameters(da, db) && SameParameters(qa, qb);
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
  PassContext& context_;
  ValueNumbers same_;
  int visits_ = 0;
};

bool IsConvolution(const Graph& graph, const Node& node) {
  return !node.removed && node.op == "Conv" && graph.IsConstant(node.inputs[1]);
}

}  // namespace

Result<void> SinkQuantisers(Graph& graph, PassContext& context) {
  Sinker sinker(graph, context);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (MatchLinear(graph, id) || IsConvolution(graph, graph.node(id))) {
      BITTERN_TRY(sinker.Visit(id));
    }
  }
  return {};
}

}  // namespace bittern::convert
