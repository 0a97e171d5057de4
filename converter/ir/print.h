// Text form of a converter graph: one line per input, constant, node, output.
//   input %x: f32[1,4]
//   const %w: f32[4,2] = {1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0}
//   %y: f32[1,2] = MatMul(%x, %w) name="fc"
//   output %y
// A constant of more than kMaxInlineElements elements prints as `hash(...)` of
// its bytes: enough to compare. That, and the graphs in braces under an If or a
// Loop, parse.h cannot read.
#pragma once

#include <string>

#include "converter/ir/graph.h"

namespace bittern::convert {

inline constexpr int64_t kMaxInlineElements = 64;

std::string PrintGraph(const Graph& graph);

}  // namespace bittern::convert
