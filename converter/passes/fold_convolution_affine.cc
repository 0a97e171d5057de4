// Constants per channel behind a float convolution (a BatchNormalization, also
// spelled out) become part of its filters and bias, in double and rounded once.
#include "converter/passes/channel_affine.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

Result<void> Fold(Graph& graph, NodeId id) {
  const Node conv = graph.node(id);
  std::vector<float> filters = graph.F32(conv.inputs[1]);
  const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] != kNone;
  const std::vector<float> given =
      has_bias ? graph.F32(conv.inputs[2]) : std::vector<float>();
  if (filters.empty() || (has_bias && given.empty())) return {};
  const ChannelAffine affine = MatchChannelAffine(graph, conv.outputs[0]);
  if (affine.last == kNone) return {};
  const size_t channels = affine.factor.size(), k = filters.size() / channels;
  for (size_t i = 0; i < filters.size(); ++i) {
    filters[i] = static_cast<float>(static_cast<double>(filters[i]) *
                                    affine.factor[i / k]);
  }
  std::vector<float> bias(channels);
  for (size_t c = 0; c < channels; ++c) {
    const double before = has_bias ? static_cast<double>(given[c]) : 0.0;
    bias[c] = static_cast<float>(before * affine.factor[c] + affine.offset[c]);
  }
  const std::string name = graph.value(conv.inputs[1]).name;
  const Shape shape = *StaticShape(graph, conv.inputs[1]);
  const ValueId w = graph.AddF32(name + ".scaled", shape, filters);
  const ValueId b = AddVector(graph, name + ".bias", bias);
  graph.node(affine.last).name = conv.name;
  return Rewrite(graph, affine.last, "Conv", {conv.inputs[0], w, b},
                 conv.attributes);
}

}  // namespace

Result<void> FoldConvolutionAffine(Graph& graph, PassContext&) {
  return ForEachNode(graph, "Conv", [&](NodeId id) { return Fold(graph, id); });
}

}  // namespace bittern::convert
