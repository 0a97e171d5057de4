// Where the codes of a quantiser of at most three codes change: for every float
// x that is no NaN, its code is lo + (x >= from[0]) + (x >= from[1]), two
// comparisons instead of a division, a rounding and two bounds.
#pragma once

#include "kernels/base/byte_quantiser.h"

namespace bittern::kernels {

struct CodeSteps {
  float from[2];  // ascending; NaN for a code that does not occur
  bool exact;     // false: the quantiser has more codes, or does not ascend
};

// Of column 0 of row 0.
CodeSteps MakeCodeSteps(const ByteQuantiser& q) noexcept;

}  // namespace bittern::kernels
