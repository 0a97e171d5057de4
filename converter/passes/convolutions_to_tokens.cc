// A float convolution whose image becomes a row of channels for each pixel,
//   Conv [B,N,H,W] -> Reshape [B,N,H*W] -> Transpose [B,H*W,N],
// the patch embedding of vision transformers, leaves its channels last itself:
// ConvLast -> Reshape.
#include "converter/passes/edit.h"
#include "converter/passes/image_layout.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// The Transpose, kNone if the convolution is read otherwise.
NodeId TokensOf(const Graph& graph, ValueId image) {
  const auto reshape = OnlyUserIf(graph, image, "Reshape");
  const auto from = StaticShape(graph, image);
  if (!reshape || !from || from->rank() != 4) return kNone;
  const ValueId pixels = graph.node(*reshape).outputs[0];
  const auto transpose = OnlyUserIf(graph, pixels, "Transpose");
  const Shape wanted = {(*from)[0], (*from)[1], (*from)[2] * (*from)[3]};
  if (!transpose || StaticShape(graph, pixels) != wanted ||
      IntsOf(graph.node(*transpose), "perm") != std::vector<int64_t>{0, 2, 1}) {
    return kNone;
  }
  return *transpose;
}

}  // namespace

Result<void> ConvolutionsToTokens(Graph& graph, PassContext&) {
  return ForEachNode(graph, "Conv", [&graph](NodeId id) -> Result<void> {
    const Node conv = graph.node(id);
    const NodeId transpose = TokensOf(graph, conv.outputs[0]);
    if (transpose == kNone || !CanBeConvLast(graph, conv)) return {};
    BITTERN_TRY_ASSIGN(const ValueId image, EmitConvLast(graph, conv, kNone));
    const ValueId tokens = graph.node(transpose).outputs[0];
    return RewriteAsReshape(graph, transpose, image,
                            *StaticShape(graph, tokens));
  });
}

}  // namespace bittern::convert
