// Every pass, by name. What each does is said at the head of its file; the
// order is in pipeline.cc only. A pass leaves unused nodes and unsorted new
// nodes behind: RunPass, the only way to run one, tidies up after it.
#pragma once

#include <span>

#include "converter/passes/pass.h"

namespace bittern::convert {

Result<void> NameProducts(Graph& graph, PassContext& context);
Result<void> EraseIdentity(Graph& graph, PassContext& context);
Result<void> CollapseResidue(Graph& graph, PassContext& context);
Result<void> TwoValuedSigns(Graph& graph, PassContext& context);
Result<void> FindGroups(Graph& graph, PassContext& context);
Result<void> FoldConstants(Graph& graph, PassContext& context);
Result<void> RecogniseLayerNorm(Graph& graph, PassContext& context);
Result<void> ChannelsLast(Graph& graph, PassContext& context);
Result<void> QuantiseSignLevels(Graph& graph, PassContext& context);
Result<void> ConvolutionsToTokens(Graph& graph, PassContext& context);
Result<void> FoldConvolutionAffine(Graph& graph, PassContext& context);
Result<void> ShrinkConstants(Graph& graph, PassContext& context);
Result<void> FuseChannelSteps(Graph& graph, PassContext& context);
Result<void> RecogniseConvolutions(Graph& graph, PassContext& context);
Result<void> RecogniseGelu(Graph& graph, PassContext& context);
Result<void> SplitRankOneScales(Graph& graph, PassContext& context);
Result<void> JoinDigits(Graph& graph, PassContext& context);
Result<void> SplitHeads(Graph& graph, PassContext& context);
Result<void> SequencesAsImages(Graph& graph, PassContext& context);
Result<void> SinkTransposes(Graph& graph, PassContext& context);
Result<void> BinarizeActivations(Graph& graph, PassContext& context);
Result<void> DirectedRoundings(Graph& graph, PassContext& context);
Result<void> QuantiseActivations(Graph& graph, PassContext& context);
Result<void> QuantiseLeftoverWeights(Graph& graph, PassContext& context);
Result<void> QuantiseLeftoverInputs(Graph& graph, PassContext& context);
Result<void> PatchConvolutions(Graph& graph, PassContext& context);
Result<void> SinkQuantisers(Graph& graph, PassContext& context);
Result<void> RecogniseNeighbours(Graph& graph, PassContext& context);
Result<void> RecogniseWeights(Graph& graph, PassContext& context);
Result<void> RecogniseAttention(Graph& graph, PassContext& context);
Result<void> RecogniseCodeAttention(Graph& graph, PassContext& context);
Result<void> RecordProducts(Graph& graph, PassContext& context);
Result<void> FuseRowMoves(Graph& graph, PassContext& context);
Result<void> PlaceRowMoves(Graph& graph, PassContext& context);
Result<void> FuseResidual(Graph& graph, PassContext& context);
Result<void> JoinConvolutions(Graph& graph, PassContext& context);
Result<void> FuseSignEpilogue(Graph& graph, PassContext& context);
Result<void> FuseSignOutput(Graph& graph, PassContext& context);
Result<void> FuseCodeOutput(Graph& graph, PassContext& context);
Result<void> FuseNormBinarize(Graph& graph, PassContext& context);
Result<void> FuseByteEpilogue(Graph& graph, PassContext& context);
Result<void> FuseQuantizeSource(Graph& graph, PassContext& context);
Result<void> RestorePRelu(Graph& graph, PassContext& context);
Result<void> RestoreSigns(Graph& graph, PassContext& context);
Result<void> CompactScales(Graph& graph, PassContext& context);
Result<void> CompactAttentionTerms(Graph& graph, PassContext& context);
Result<void> CompactRepeats(Graph& graph, PassContext& context);
Result<void> NarrowIndices(Graph& graph, PassContext& context);
Result<void> MergeConstants(Graph& graph, PassContext& context);

// The list of pipeline.cc; the shorter one of float-only graphs.
std::span<const Pass> AllPasses();
std::span<const Pass> FloatPasses();

// Runs one pass on a sorted graph and leaves a sorted graph without dead nodes.
// An error names the pass.
Result<void> RunPass(const Pass& pass, Graph& graph, PassContext& context);

}  // namespace bittern::convert
