// What the left operand of a product is: codes with a scale that factors out of
// the dot product, codes whose scale belongs to the input channel, or floats.
#pragma once

#include <string>
#include <vector>

#include "converter/passes/edit.h"
#include "kernels/base/code_matrix.h"

namespace bittern::convert {

struct Activation {
  enum class Kind {
    kFloat,
    kTensor,  // one constant scale and zero point
    kRow,     // one for each row, or one made at run time
    kColumn,  // one for each input channel: does not factor out
  };
  Kind kind = Kind::kFloat;
  ValueId codes = kNone;                        // but for kFloat
  kernels::ValueRange range{};                  // of the codes
  std::vector<float> scale, zero;               // kTensor, kColumn
  ValueId row_scale = kNone, row_zero = kNone;  // kRow; zero kNone = 0
  std::string text;  // "4 bit signed", for the report
};

// Behind operand `id` of a product: a Dequantize, or one times a constant for
// each column; of plain signs also less a constant for each column.
Activation ActivationOf(const Graph& graph, ValueId id);

}  // namespace bittern::convert
