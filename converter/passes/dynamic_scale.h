// Scales that are computed from the tensor at run time.
#pragma once

#include <optional>

#include "converter/passes/edit.h"

namespace bittern::convert {

// The largest code that round(x / scale), or round(x * scale) with `multiply`,
// can have, if the scale is max|x| over an integer (or the inverse), over the
// whole tensor or the row. Nothing with a zero point.
std::optional<float> DynamicBound(const Graph& graph, ValueId x, ValueId scale,
                                  bool multiply, ValueId zero);

// Whether a value is an integer by the way it is computed.
bool IsIntegral(const Graph& graph, ValueId id);

// Whether a value lies in lo..hi by the way it is computed.
bool IsWithin(const Graph& graph, ValueId id, float lo, float hi);

}  // namespace bittern::convert
