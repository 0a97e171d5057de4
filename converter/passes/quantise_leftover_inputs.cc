// --leftovers int8: products and convolutions whose weights
// quantise_leftover_weights.cc rounded, and whose input is in floats, get it as
// codes -127..127 by a scale made at run time, max |x| / 127: of each row for a
// product, of the whole tensor for a convolution.
#include <map>

#include "converter/passes/activation.h"
#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr float kMaxCode = 127;
constexpr float kLeastMaximum = 1e-30f;  // zeros have a scale, too

class InputQuantiser {
 public:
  InputQuantiser(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  Result<void> Visit(NodeId id) {
    const Node node = graph_.node(id);
    const ValueId x = node.inputs[0];
    const std::optional<Shape> shape = StaticShape(graph_, x);
    if (!shape || ActivationOf(graph_, x).kind != Activation::Kind::kFloat) {
      return {};
    }
    const bool rows = node.op == "MatMul";
    auto [known, is_new] = codes_.try_emplace({x, rows}, kNone);
    if (is_new) {
      BITTERN_TRY_ASSIGN(known->second, MakeCodes(node.name, x, rows));
    }
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = known->second;
    return Rewrite(graph_, id, node.op, inputs, node.attributes);
  }

 private:
  // x through codes, as numbers again.
  Result<ValueId> MakeCodes(const std::string& layer, ValueId x, bool rows) {
    const std::string name = graph_.value(x).name + (rows ? ".row8" : ".int8");
    const AttributeMap reduced =
        rows ? AttributeMap{{"axes", std::vector<int64_t>{-1}}}
             : AttributeMap{{"keepdims", int64_t{0}}};
    BITTERN_TRY_ASSIGN(const ValueId size,
                       Emit(graph_, "Abs", layer, {x}, {}, name + ".abs"));
    BITTERN_TRY_ASSIGN(ValueId scale, Emit(graph_, "ReduceMax", layer, {size},
                                           reduced, name + ".max"));
    if (!rows) {
      BITTERN_TRY_ASSIGN(
          scale, EmitReshape(graph_, layer, scale, {1}, name + ".max1"));
    }
    BITTERN_TRY_ASSIGN(scale, Emit(graph_, "Clip", layer, {scale},
                                   {{"min", kLeastMaximum}}, name + ".guard"));
    const ValueId codes_per_maximum =
        AddVector(graph_, name + ".steps", {1 / kMaxCode});
    BITTERN_TRY_ASSIGN(
        scale, Emit(graph_, "Mul", layer, {scale, codes_per_maximum}, {},
                    name + ".scale"));
    const std::string per = rows ? "row" : "tensor";
    BITTERN_TRY_ASSIGN(const ValueId codes,
                       Emit(graph_, "Quantize", layer, {x, scale},
                            {{"per", per},
                             {"lo", static_cast<int64_t>(-kMaxCode)},
                             {"hi", static_cast<int64_t>(kMaxCode)}},
                            name + ".codes"));
    context_.patterns[graph_.value(codes).name] = "leftover";
    return Emit(graph_, "Dequantize", layer, {codes, scale}, {{"per", per}},
                name);
  }

  Graph& graph_;
  PassContext& context_;
  std::map<std::pair<ValueId, bool>, ValueId> codes_;  // by x and rows
};

}  // namespace

Result<void> QuantiseLeftoverInputs(Graph& graph, PassContext& context) {
  InputQuantiser quantiser(graph, context);
  const auto nodes = static_cast<NodeId>(graph.nodes().size());
  for (NodeId id = 0; id < nodes; ++id) {
    const Node& node = graph.node(id);
    if (node.removed || (node.op != "MatMul" && node.op != "Conv")) continue;
    if (context.leftovers.count(node.name) == 0) continue;
    BITTERN_TRY(quantiser.Visit(id));
  }
  return {};
}

}  // namespace bittern::convert
