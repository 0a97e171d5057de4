// The inputs of LowBitLinear and LowBitConv, as runtime/ops/README.md lists
// them.
#pragma once

#include <cstddef>

namespace bittern::test {

enum Input : size_t {
  kX,
  kW,
  kScale,
  kBias,
  kResidual,
  kGamma,
  kBeta,
  kA,
  kZ,
  kCorrection,
  kRowScale,
  kRowTerm,
  kColumnTerm,
  kStepValues,
  kGroupScale,
  kGroupZero,
  kChannelScale,
  kInputs
};

}  // namespace bittern::test
