// Trigonometric and hyperbolic functions, and bits of integers.
#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {

using runtime::DType;

Result<void> ImportMathFunction(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  return node.Answer("MathFunction", node.inputs(), {{"function", node.op()}});
}

// A shift to the left multiplies by a power of two and one to the right divides
// by it: the inputs are unsigned. Types whose width the runtime does not keep
// (tensor.h) do not lose the bits that are shifted out.
Result<void> ImportBitShift(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const std::string direction, node.String("direction", ""));
  if (direction != "LEFT" && direction != "RIGHT") {
    return node.Fail("direction is '" + direction.substr(0, 40) +
                     "', expected 'LEFT' or 'RIGHT'");
  }
  const DType dtype = node.TypeOf(node.Input(0)).dtype;
  Formula f(node);
  const ValueId x = f.Cast(node.Input(0), DType::kI64);
  const ValueId bits = f.Cast(node.Input(1), DType::kI64);
  const ValueId power = f.Op("Pow", {f.I64(2), bits});
  ValueId result = f.Op(direction == "LEFT" ? "Mul" : "Div", {x, power});
  if (dtype == DType::kU8) result = f.Op("Mod", {result, f.I64(256)});
  f.Answer(f.Cast(result, dtype));
  return f.Done();
}

// BitwiseAnd, BitwiseOr and BitwiseXor.
Result<void> ImportBitwise(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  const DType dtype = node.TypeOf(node.Input(0)).dtype;
  Formula f(node);
  f.Answer(
      f.Cast(f.Op(node.op().substr(7), {f.Cast(node.Input(0), DType::kI64),
                                        f.Cast(node.Input(1), DType::kI64)}),
             dtype));
  return f.Done();
}

// The largest value minus x for unsigned types, -1 - x for signed ones (and of
// 64 bits, where both have the same bits).
Result<void> ImportBitwiseNot(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  int64_t largest = -1;
  switch (node.OnnxTypeOf(0)) {
    case onnx::TensorProto::UINT8:
      largest = UINT8_MAX;
      break;
    case onnx::TensorProto::UINT16:
      largest = UINT16_MAX;
      break;
    case onnx::TensorProto::UINT32:
      largest = UINT32_MAX;
      break;
    default:
      break;
  }
  Formula f(node);
  const ValueId x = f.Cast(node.Input(0), DType::kI64);
  f.Answer(f.Cast(f.Sub(f.I64(largest), x), f.DTypeOf(node.Input(0))));
  return f.Done();
}

}  // namespace bittern::convert
