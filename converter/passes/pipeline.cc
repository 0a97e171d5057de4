// The order of all passes, and nothing else.
#include <array>

#include "converter/passes/passes.h"
#include "converter/passes/unknown_tail.h"

namespace bittern::convert {
namespace {

// Residues go before folding, while the graph still says which weights are
// signs: folded first, they keep the float noise of the residue.
constexpr std::array kAllPasses = {
    Pass{"name_products", &NameProducts},
    Pass{"erase_identity", &EraseIdentity},
    Pass{"collapse_residue", &CollapseResidue},
    Pass{"two_valued_signs", &TwoValuedSigns},
    Pass{"split_rank_one_scales", &SplitRankOneScales},
    Pass{"find_groups", &FindGroups},
    Pass{"fold_constants", &FoldConstants},
    Pass{"shrink_constants", &ShrinkConstants},
    Pass{"erase_identity", &EraseIdentity},
    Pass{"recognise_layer_norm", &RecogniseLayerNorm},
    Pass{"recognise_gelu", &RecogniseGelu},
    Pass{"join_digits", &JoinDigits},
    Pass{"split_heads", &SplitHeads},
    Pass{"sink_transposes", &SinkTransposes},
    Pass{"fold_constants", &FoldConstants},
    Pass{"sequences_as_images", &SequencesAsImages},
    Pass{"fold_constants", &FoldConstants},
    Pass{"binarize_activations", &BinarizeActivations},
    Pass{"directed_roundings", &DirectedRoundings},
    Pass{"quantise_activations", &QuantiseActivations},
    Pass{"quantise_leftover_weights", &QuantiseLeftoverWeights},
    Pass{"patch_convolutions", &PatchConvolutions},
    Pass{"quantise_leftover_inputs", &QuantiseLeftoverInputs},
    Pass{"erase_identity", &EraseIdentity},
    Pass{"sink_transposes", &SinkTransposes},
    Pass{"sink_quantisers", &SinkQuantisers},
    Pass{"recognise_convolutions", &RecogniseConvolutions},
    Pass{"fold_convolution_affine", &FoldConvolutionAffine},
    Pass{"channels_last", &ChannelsLast},
    Pass{"convolutions_to_tokens", &ConvolutionsToTokens},
    Pass{"fold_constants", &FoldConstants},
    Pass{"recognise_neighbours", &RecogniseNeighbours},
    Pass{"recognise_weights", &RecogniseWeights},
    Pass{"recognise_attention", &RecogniseAttention},
    Pass{"recognise_code_attention", &RecogniseCodeAttention},
    Pass{"record_products", &RecordProducts},
    Pass{"fuse_row_moves", &FuseRowMoves},
    Pass{"place_row_moves", &PlaceRowMoves},
    Pass{"fuse_row_moves", &FuseRowMoves},
    Pass{"erase_identity", &EraseIdentity},
    Pass{"fuse_residual", &FuseResidual},
    Pass{"join_convolutions", &JoinConvolutions},
    Pass{"fuse_sign_epilogue", &FuseSignEpilogue},
    Pass{"fuse_norm_binarize", &FuseNormBinarize},
    Pass{"erase_identity", &EraseIdentity},
    Pass{"fuse_channel_steps", &FuseChannelSteps},
    Pass{"fuse_byte_epilogue", &FuseByteEpilogue},
    Pass{"restore_signs", &RestoreSigns},
    Pass{"quantise_sign_levels", &QuantiseSignLevels},
    Pass{"fuse_quantize_source", &FuseQuantizeSource},
    Pass{"restore_p_relu", &RestorePRelu},
    Pass{"fuse_sign_output", &FuseSignOutput},
    Pass{"fuse_code_output", &FuseCodeOutput},
    Pass{"erase_identity", &EraseIdentity},
    Pass{"compact_scales", &CompactScales},
    Pass{"compact_attention_terms", &CompactAttentionTerms},
    Pass{"compact_repeats", &CompactRepeats},
    Pass{"narrow_indices", &NarrowIndices},
    Pass{"merge_constants", &MergeConstants},
};

constexpr std::array kFloatPasses = {
    Pass{"erase_identity", &EraseIdentity},
    Pass{"fold_constants", &FoldConstants},
};

}  // namespace

std::span<const Pass> AllPasses() { return kAllPasses; }
std::span<const Pass> FloatPasses() { return kFloatPasses; }

Result<void> RunPass(const Pass& pass, Graph& graph, PassContext& context) {
  Result<void> done = pass.run(graph, context);
  if (done.ok()) {
    graph.RemoveDead();
    done = graph.Sort();
  }
  if (done.ok()) return {};
  return Error{done.error().code,
               std::string("pass ") + pass.name + ": " + done.error().message};
}

Result<void> RunPipeline(Graph& graph, PassContext& context, bool float_only) {
  if (graph.nodes().size() > kMaxNodes) {
    return runtime::Unsupported(
        "the graph has " + std::to_string(graph.nodes().size()) +
        " nodes, expected at most " + std::to_string(kMaxNodes));
  }
  UnknownTail tail = UnknownTail::Detach(graph);
  for (const Pass& pass : float_only ? FloatPasses() : AllPasses()) {
    BITTERN_TRY(RunPass(pass, graph, context));
  }
  std::move(tail).Attach(graph);
  return {};
}

}  // namespace bittern::convert
