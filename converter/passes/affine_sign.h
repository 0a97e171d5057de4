// The sign quantiser of 1-bit networks, alone or with a scale and a zero point:
//   x [-> Div a] [-> Add z] [-> Clip lo < 0 < hi] -> Sign [-> Sub z'] [-> Mul
//   a']
#pragma once

#include <optional>
#include <string>

#include "converter/passes/edit.h"

namespace bittern::convert {

struct AffineSign {
  NodeId sign = kNone;
  ValueId input = kNone;         // x
  ValueId shifted = kNone;       // what has the sign: x / a + z
  ValueId a = kNone, z = kNone;  // f32 constants; kNone = no such node
  NodeId last = kNone;           // makes the result: Sign, Sub or Mul
  ValueId level_a = kNone, level_z = kNone;  // a' and z'
  bool affine() const { return a != kNone || z != kNone; }
};

// The quantiser around the Sign node `id`. Requires a live node.
AffineSign MatchAffineSign(const Graph& graph, NodeId id);

// The nearest integer if `value` is within 1e-5 of it (gradient-scale noise).
std::optional<int32_t> SnapToInteger(float value);

}  // namespace bittern::convert
