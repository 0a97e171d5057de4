// Comparisons, logic and selection. Results are booleans.
#include <limits>

#include "converter/onnx/broadcast.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

bool IsByteInteger(DType dtype) {
  return dtype == DType::kU8 || dtype == DType::kS8;
}

}  // namespace

Result<void> ImportComparison(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  ValueId a = node.Input(0);
  BITTERN_TRY_ASSIGN(ValueId b, LegacyOperand(node));
  if (IsByteInteger(node.TypeOf(a).dtype)) {
    BITTERN_TRY_ASSIGN(a, node.CastTo(a, DType::kI64));
    BITTERN_TRY_ASSIGN(b, node.CastTo(b, DType::kI64));
  }
  return node.Answer(node.op(), {a, b});
}

Result<void> ImportLogical(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const ValueId b, LegacyOperand(node));
  return node.Answer(node.op(), {node.Input(0), b});
}

Result<void> ImportWhere(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  return node.Answer("Where", node.inputs());
}

Result<void> ImportIsNaN(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const ValueId equal, node.Emit("Equal", {x, x}));
  return node.Answer("Not", {equal});
}

Result<void> ImportIsInf(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const int64_t negative, node.Int("detect_negative", 1));
  BITTERN_TRY_ASSIGN(const int64_t positive, node.Int("detect_positive", 1));
  const float infinity = std::numeric_limits<float>::infinity();
  ValueId x = node.Input(0);
  if (negative != 0 && positive != 0) {
    BITTERN_TRY_ASSIGN(x, node.Emit("Abs", {x}));
  } else if (negative == 0 && positive == 0) {
    return node.FailUnsupported(
        "detect_negative=0 and detect_positive=0, expected one of them");
  }
  const ValueId bound = node.ScalarF32(positive != 0 ? infinity : -infinity);
  return node.Answer("Equal", {x, bound});
}

}  // namespace bittern::convert
