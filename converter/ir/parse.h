// Reads the text form of print.h. For tests, big constants can be generated:
//   normal(seed=3)  normal(seed=3, scale=0.1)   roughly normal values
//   pm1(seed=3)     pm1(seed=3, scale=0.5)      +scale or -scale
//   fill(0.5)                                   one value everywhere
// Comments run from # to the end of the line.
#pragma once

#include <string_view>

#include "converter/ir/graph.h"

namespace bittern::convert {

// An error says the line, what was found and what is expected. Values of nodes
// without a type (`%y = Op(...)`) stay untyped: see InferTypes.
Result<Graph> ParseGraph(std::string_view text);

}  // namespace bittern::convert
