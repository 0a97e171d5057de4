// How the scales and zero points of a quantiser are spread over a tensor, and
// their values in the form that Quantize and Dequantize take.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "converter/passes/heads.h"

namespace bittern::convert {

struct ScaleLayout {
  std::string per;    // "tensor", "column" or "row"
  HeadLayout layout;  // of x; flat only if `flattened`
  bool flattened = false;
};

// The layout that suits all of `parameters` (kNone is left out): f32 constants
// that broadcast to x, or values made at run time, one for the tensor or one
// for each row. Nothing if there is none.
std::optional<ScaleLayout> FindScaleLayout(
    const Graph& graph, ValueId x, const std::vector<ValueId>& parameters);

// The values of constant `id` in that layout; `fallback` if it is kNone.
std::vector<float> SpreadValues(const Graph& graph, ValueId id,
                                const ScaleLayout& layout, float fallback);

// A run-time parameter as [1] or one value a row.
Result<ValueId> SpreadRunTime(Graph& graph, ValueId id,
                              const ScaleLayout& layout);

}  // namespace bittern::convert
