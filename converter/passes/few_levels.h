// Values of few levels, by the way they are computed: what quantisers make,
// before they are recognised and after.
#pragma once

#include "converter/passes/edit.h"

namespace bittern::convert {

// Signs, roundings, bytes and codes, and what scales, shifts, clips, casts and
// views make of them.
bool HasFewLevels(const Graph& graph, ValueId id);

// A power of a number whose exponents are of few levels, in any view: what
// logarithmic quantisers make.
bool IsLogarithmic(const Graph& graph, ValueId id);

// Computed from constants alone.
bool IsParameter(const Graph& graph, ValueId id);

}  // namespace bittern::convert
