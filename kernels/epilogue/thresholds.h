// The integer thresholds of kThresholdBytes: found by running the float
// operations of a layer (a kScaleBytes epilogue) on accumulators, so they are
// exact by construction. For planning; allocates.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/epilogue/epilogue.h"

namespace bittern::kernels {

// Of n channels whose corrected accumulators lie in [acc_lo, acc_hi]:
// thresholds [hi - lo of the quantiser][n] and flip [n]. Where every operation
// is monotone (all but GELU and a PRelu of negative slope) by binary search,
// else by evaluating every accumulator. False where the layer's codes are not
// monotone in the accumulator, or depend on more than it (a residual, a scale
// per row); then the arrays are worth nothing.
bool MakeThresholds(const EpilogueArgs& layer, const EpilogueKernel& kernel,
                    size_t n, int32_t acc_lo, int32_t acc_hi,
                    int32_t* thresholds, int32_t* flip);

// Whether a kScaleBytes layer is sure to be monotone, so that a search finds
// its thresholds: MakeThresholds evaluates every accumulator otherwise.
bool IsMonotone(const EpilogueArgs& layer, size_t n);

}  // namespace bittern::kernels
