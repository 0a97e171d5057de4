// A matrix product by a constant, with the constant factor and the constant
// offset per output channel that may follow it.
#pragma once

#include <optional>

#include "converter/passes/edit.h"

namespace bittern::convert {

struct LinearChain {
  NodeId matmul = kNone;
  ValueId input = kNone;   // left operand
  ValueId weight = kNone;  // constant f32 [K, N]
  int64_t k = 0, n = 0;
  ValueId factor = kNone;  // constant of N elements or one; kNone = absent
  ValueId offset = kNone;  // constant of N elements or one; kNone = absent
  NodeId last = kNone;     // the node that makes the result
};

// The chain that starts at `node`, if that is a MatMul by an f32 constant
// matrix. Only what nobody else reads belongs to it.
std::optional<LinearChain> MatchLinear(const Graph& graph, NodeId node);

}  // namespace bittern::convert
