// A convolution that meets every input once (kernel = stride, no padding, one
// group), with low-bit weights, is a linear layer of patches:
//   x -> patches [B, H'*W', C*kh*kw] [-> Quantize -> Dequantize] -> MatMul
//     -> Add bias -> Transpose -> Reshape [B,N,H',W']
// A quantiser moves behind the rearrangement; a scale per input channel is
// repeated for the taps of the channel. Transposes that follow cancel. Kernels
// of one element are left alone: they are convolutions of images, whose
// epilogues take what follows channel by channel.
#include <fmt/format.h>

#include <algorithm>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {
namespace {

struct PatchConv {
  NodeId conv = kNone;
  Shape x, w;                                   // [B,C,H,W], [N,C,kh,kw]
  NodeId quantize = kNone, dequantize = kNone;  // kNone: x is float
};

bool AllAre(const std::vector<int64_t>& list, int64_t value) {
  return std::all_of(list.begin(), list.end(),
                     [value](int64_t v) { return v == value; });
}

std::optional<PatchConv> MatchPatches(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.removed || node.op != "Conv") return std::nullopt;
  const std::optional<Shape> x = StaticShape(graph, node.inputs[0]);
  const std::optional<Shape> w = StaticShape(graph, node.inputs[1]);
  const ValueId bias = node.inputs.size() > 2 ? node.inputs[2] : kNone;
  if (!x || !w || x->rank() != 4 || w->Elements() == 0 ||
      graph.F32(node.inputs[1]).empty() ||
      (bias != kNone && !graph.IsConstant(bias))) {
    return std::nullopt;
  }
  if (IntOf(node, "group", 1) != 1 || !AllAre(IntsOf(node, "pads"), 0) ||
      !AllAre(IntsOf(node, "dilations"), 1) ||
      IntsOf(node, "strides") != std::vector<int64_t>{(*w)[2], (*w)[3]} ||
      (*w)[2] * (*w)[3] == 1 || (*x)[2] % (*w)[2] != 0 ||
      (*x)[3] % (*w)[3] != 0) {
    return std::nullopt;
  }
  PatchConv match{id, *x, *w, kNone, kNone};
  const Node* dequantize = ProducerIf(graph, node.inputs[0], "Dequantize");
  if (dequantize == nullptr) return match;
  const Node* quantize = ProducerIf(graph, dequantize->inputs[0], "Quantize");
  if (quantize == nullptr || StaticShape(graph, quantize->inputs[0]) != x) {
    return std::nullopt;
  }
  match.quantize = graph.ProducerId(dequantize->inputs[0]);
  match.dequantize = graph.ProducerId(node.inputs[0]);
  return match;
}

class Rewriter {
 public:
  Rewriter(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  Result<void> Visit(const PatchConv& match) {
    const auto n = static_cast<size_t>(match.w[0]);
    const std::vector<float> rows =
        graph_.F32(graph_.node(match.conv).inputs[1]);
    if (!ClassifyRows(rows, n).reason.empty() || !TakeParameters(match)) {
      return {};
    }
    const std::vector<float> weights = Transposed(rows, n);
    const std::string name = graph_.node(match.conv).name;
    BITTERN_TRY_ASSIGN(ValueId x, EmitPatches(match, name));
    if (match.quantize != kNone) {
      BITTERN_TRY_ASSIGN(x, EmitQuantiser(match, x));
    }
    const Node& conv = graph_.node(match.conv);
    const std::vector<ValueId> inputs = conv.inputs;
    const ValueId weight = graph_.AddF32(
        graph_.value(inputs[1]).name + ".patches",
        {static_cast<int64_t>(weights.size() / n), match.w[0]}, weights);
    BITTERN_TRY_ASSIGN(ValueId y, Emit(graph_, "MatMul", name, {x, weight}, {},
                                       name + ".product"));
    if (inputs.size() > 2 && inputs[2] != kNone) {
      BITTERN_TRY_ASSIGN(
          y, Emit(graph_, "Add", name, {y, inputs[2]}, {}, name + ".bias"));
    }
    BITTERN_TRY_ASSIGN(
        y, Emit(graph_, "Transpose", name, {y},
                {{"perm", std::vector<int64_t>{0, 2, 1}}}, name + ".channels"));
    const Shape out = *StaticShape(graph_, graph_.node(match.conv).outputs[0]);
    ++count_;
    return RewriteAsReshape(graph_, match.conv, y, out);
  }

  int count() const { return count_; }

 private:
  // Inputs 1 and 2 of the two nodes, for columns of patches; false if a scale
  // varies within a channel.
  bool TakeParameters(const PatchConv& match) {
    if (match.quantize == kNone) return true;
    per_ = StringOf(graph_.node(match.quantize), "per");
    parameters_.clear();
    for (const NodeId id : {match.quantize, match.dequantize}) {
      const std::vector<ValueId> inputs = graph_.node(id).inputs;
      for (size_t i = 1; i < 3; ++i) {
        const ValueId input = i < inputs.size() ? inputs[i] : kNone;
        if (per_ == "tensor" || input == kNone) {
          parameters_.push_back(input);
          continue;
        }
        const auto columns = PerTap(match, input);
        if (per_ != "row" || columns.empty()) return false;
        parameters_.push_back(
            AddVector(graph_, graph_.value(input).name + ".taps", columns));
      }
    }
    if (per_ == "row") per_ = "column";
    return true;
  }

  // A constant per row of [B,C,H] that is one per channel, repeated for the
  // taps of the channel.
  std::vector<float> PerTap(const PatchConv& match, ValueId id) const {
    const std::vector<float> rows = graph_.F32(id);
    const auto height = static_cast<size_t>(match.x[2]);
    const auto channels = static_cast<size_t>(match.x[1]);
    const auto taps = static_cast<size_t>(match.w[2] * match.w[3]);
    std::vector<float> columns;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] != rows[i / height % channels * height]) return {};
    }
    for (size_t c = 0; c < channels && !rows.empty(); ++c) {
      columns.insert(columns.end(), taps, rows[c * height]);
    }
    return columns;
  }

  Result<ValueId> EmitPatches(const PatchConv& match, const std::string& name) {
    const Shape &x = match.x, &w = match.w;
    const int64_t rows = x[2] / w[2], columns = x[3] / w[3];
    const NodeId reader = match.quantize == kNone ? match.conv : match.quantize;
    BITTERN_TRY_ASSIGN(
        ValueId patches,
        EmitReshape(graph_, name, graph_.node(reader).inputs[0],
                    {x[0], x[1], rows, w[2], columns, w[3]}, name + ".tiles"));
    BITTERN_TRY_ASSIGN(patches,
                       Emit(graph_, "Transpose", name, {patches},
                            {{"perm", std::vector<int64_t>{0, 2, 4, 1, 3, 5}}},
                            name + ".tiles"));
    return EmitReshape(graph_, name, patches,
                       {x[0], rows * columns, x[1] * w[2] * w[3]},
                       name + ".patches");
  }

  Result<ValueId> EmitQuantiser(const PatchConv& match, ValueId x) {
    const auto inputs = [this](ValueId first, size_t i) {
      std::vector<ValueId> list = {first, parameters_[i]};
      if (parameters_[i + 1] != kNone) list.push_back(parameters_[i + 1]);
      return list;
    };
    const Node quantize = graph_.node(match.quantize);
    const Node dequantize = graph_.node(match.dequantize);
    AttributeMap attributes = quantize.attributes;
    attributes["per"] = per_;
    // The codes of the whole image, which somebody else may still read, keep
    // their name.
    BITTERN_TRY_ASSIGN(
        const ValueId codes,
        Emit(graph_, "Quantize", quantize.name, inputs(x, 0), attributes,
             graph_.value(quantize.outputs[0]).name));
    const auto pattern =
        context_.patterns.find(graph_.value(quantize.outputs[0]).name);
    if (pattern != context_.patterns.end()) {
      const std::string id = pattern->second;
      context_.patterns[graph_.value(codes).name] = id;
    }
    return Emit(graph_, "Dequantize", dequantize.name, inputs(codes, 2),
                {{"per", per_}}, graph_.value(dequantize.outputs[0]).name);
  }

  Graph& graph_;
  PassContext& context_;
  std::string per_;
  std::vector<ValueId> parameters_;
  int count_ = 0;
};

}  // namespace

Result<void> PatchConvolutions(Graph& graph, PassContext& context) {
  Rewriter rewriter(graph, context);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto match = MatchPatches(graph, static_cast<NodeId>(i));
    if (match) BITTERN_TRY(rewriter.Visit(*match));
  }
  if (rewriter.count() > 0) {
    graph.notes.push_back(
        fmt::format("convolutions of patches that became linear layers: {}",
                    rewriter.count()));
  }
  return {};
}

}  // namespace bittern::convert
