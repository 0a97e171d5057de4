// Inputs of LowBitLinear and LowBitConv nodes, by name (runtime/ops/README.md).
#pragma once

#include <string_view>
#include <vector>

#include "converter/passes/edit.h"

namespace bittern::convert {

enum LowBitInput : size_t {
  kCodesInput,
  kWeightInput,
  kScaleInput,
  kBiasInput,
  kResidualInput,
  kGammaInput,
  kBetaInput,
  kAInput,
  kZInput,
  kCorrectionInput,
  kRowScaleInput,
  kRowTermInput,
  kColumnTermInput,
  kStepValuesInput,
  kGroupScaleInput,
  kGroupZeroInput,
  kChannelScaleInput,
  kLowBitInputs,
};

// Ends the name of the product that only sums its rows, for a layer with
// weights of two values: a part of that layer.
inline constexpr std::string_view kRowSumSuffix = ".row_sum";

// All inputs of the node, absent ones as kNone.
inline std::vector<ValueId> LowBitInputsOf(const Node& node) {
  std::vector<ValueId> inputs = node.inputs;
  inputs.resize(kLowBitInputs, kNone);
  return inputs;
}

inline void TrimAbsent(std::vector<ValueId>& inputs) {
  while (!inputs.empty() && inputs.back() == kNone) inputs.pop_back();
}

// The codes that `maker` makes of a convolution's image become the second
// output of `conv`, which is rewritten.
inline Result<void> TakeCodes(Graph& graph, NodeId conv, NodeId maker,
                              std::vector<ValueId> inputs,
                              AttributeMap attributes) {
  const ValueId codes = graph.node(maker).outputs[0];
  graph.node(maker).removed = true;
  graph.node(conv).outputs.push_back(codes);
  graph.value(codes).producer = conv;
  TrimAbsent(inputs);
  return Rewrite(graph, conv, "LowBitConv", std::move(inputs),
                 std::move(attributes));
}

// The LayerNorm behind a product becomes part of it, with constant gamma and
// beta.
inline bool HasConstantNorm(const Graph& graph, const Node& norm) {
  return graph.IsConstant(norm.inputs[1]) &&
         (norm.inputs.size() < 3 || norm.inputs[2] == kNone ||
          graph.IsConstant(norm.inputs[2]));
}

inline void TakeNorm(Graph& graph, const Node& norm,
                     std::vector<ValueId>& inputs, AttributeMap& attributes) {
  const auto group =
      static_cast<size_t>(graph.value(norm.inputs[0]).type->shape.Last());
  const bool has_beta = norm.inputs.size() > 2 && norm.inputs[2] != kNone;
  inputs[kGammaInput] = norm.inputs[1];
  inputs[kBetaInput] = has_beta ? norm.inputs[2]
                                : AddVector(graph, norm.name + ".beta",
                                            std::vector<float>(group, 0.0f));
  attributes["epsilon"] = FloatOf(norm, "epsilon", 1e-5f);
}

inline bool IsLowBitProduct(const Node& node) {
  return node.op == "LowBitLinear" || node.op == "LowBitConv";
}

// The product that makes `id`, if it gives floats as they come: no functions,
// no residual.
inline const Node* PlainLowBitProduct(const Graph& graph, ValueId id) {
  const Node* node = graph.Producer(id);
  if (node == nullptr || !IsLowBitProduct(*node) ||
      StringOf(*node, "epilogue") != "f32" ||
      node->attributes.count("functions") != 0 ||
      LowBitInputsOf(*node)[kResidualInput] != kNone) {
    return nullptr;
  }
  return node;
}

}  // namespace bittern::convert
