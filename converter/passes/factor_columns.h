// Scales per input channel that factor out of the dot product after all: the
// same but for signs and powers of two (A13 b), which the weights take.
#pragma once

#include <optional>

#include "converter/passes/activation.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {

struct FactoredColumns {
  Activation activation;  // kTensor: one scale, a zero point for each column
  WeightCodes weights;    // times +-2^c of the column
};

// Nothing if scales differ otherwise, a zero point is no integer or weights
// would take more than 8 bits. `activation` is per column.
std::optional<FactoredColumns> FactorColumns(const Activation& activation,
                                             const WeightCodes& weights);

}  // namespace bittern::convert
