// What the operators on codes share: the ranges of code types, and rounding to
// them.
#pragma once

#include "converter/onnx/formula.h"
#include "converter/onnx/node.h"

namespace bittern::convert {

struct CodeRange {
  runtime::DType dtype;  // that holds one code
  float low, high;
};

// An error if the ONNX type is not an integer of at most 16 bits.
Result<CodeRange> RangeOfCodes(OnnxNode& node, int32_t onnx_type);

// clip(round(scaled) + zero_point) as codes; kNone is no zero point.
ValueId EmitCodes(Formula& f, ValueId scaled, ValueId zero_point,
                  const CodeRange& range);

// What DynamicQuantizeLinear makes of x: u8 codes, their scale and zero point.
struct DynamicCodes {
  ValueId codes, scale, zero_point;
};
DynamicCodes EmitDynamicCodes(Formula& f, ValueId x);

}  // namespace bittern::convert
