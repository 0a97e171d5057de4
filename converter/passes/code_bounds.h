// The range of the codes that a chain of Clips, a scale, a zero point and a
// Round leaves: each bound runs through the rest of the chain.
#pragma once

#include <optional>
#include <vector>

namespace bittern::convert {

// One step of a quantiser on its way from x to the code.
struct QuantiserStep {
  enum class Kind { kDivide, kMultiply, kAdd, kClip, kRound };
  Kind kind;
  std::vector<float> values;  // of kDivide, kMultiply, kAdd: one or one for
                              // each channel; empty if not known
  float lo = 0, hi = 0;       // of kClip
};

struct CodeBounds {
  float lo, hi;
};

// The bounds at the end of `steps` after one Clip of them has been taken, equal
// for all channels; nothing if they are not, or if a value is not known.
std::optional<CodeBounds> BoundsOf(const std::vector<QuantiserStep>& steps);

}  // namespace bittern::convert
