// Chains of nodes that only move elements (Reshape, Transpose, Slice, Split,
// Gather by constants, Concat of parts of one tensor ...), composed: which
// element of the source each element of the result is. The map is found by
// running the runtime's own ops on the numbers 0, 1, 2, ...
#pragma once

#include <map>
#include <vector>

#include "converter/passes/edit.h"

namespace bittern::convert {

class IndexMap {
 public:
  // With `through_scalars`, factors of one value do not end a chain, but Concat
  // does: its parts may have different factors.
  explicit IndexMap(const Graph& graph, bool through_scalars = false)
      : graph_(graph), through_scalars_(through_scalars) {}

  // The value at the far end of the chain above `id`, `id` itself if no chain
  // ends there. All shapes of a chain are static.
  ValueId SourceOf(ValueId id) const;

  // Whether both are small enough for From: 2^24 elements.
  bool Takes(ValueId source, ValueId id) const;

  // For each element of `id` the index of the element of `source`, which is
  // above it, that it is a copy of. An error if Takes says no.
  Result<std::vector<int32_t>> From(ValueId source, ValueId id);

  // The product of the scalars in the chain from `id` up to `source`, the one
  // next to `id` first; Div counts as its rounded reciprocal.
  float FactorFrom(ValueId source, ValueId id) const;

 private:
  ValueId SourceOf(ValueId id, int depth, int& steps) const;
  // The input whose elements `node` moves, kNone if it does anything else.
  ValueId MovedInput(const Node& node) const;
  std::optional<float> ScalarFactor(const Node& node) const;
  Result<ConstantData> Evaluate(ValueId id, int depth);
  Result<void> EvaluateNodeOf(ValueId id, int depth);

  const Graph& graph_;
  bool through_scalars_;
  std::map<ValueId, ConstantData> known_;
};

// Whether the map is 0, 1, 2, ..., count - 1.
bool IsIdentityMap(const std::vector<int32_t>& map, int64_t count);

}  // namespace bittern::convert
