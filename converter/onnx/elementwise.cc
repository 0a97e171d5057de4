// Arithmetic and unary operators. The runtime computes integers in i64 (some
// also in i32); narrower ones are widened and cast back, which is exact unless
// the ONNX result would have wrapped.
#include "converter/onnx/broadcast.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

bool IsNarrowInteger(DType dtype) {
  return dtype == DType::kI32 || dtype == DType::kU8 || dtype == DType::kS8;
}

// Answers `op` on inputs of the same type; narrow integers through i64.
Result<void> AnswerWidened(OnnxNode& node, const std::string& op,
                           const std::vector<ValueId>& inputs) {
  const DType dtype = node.TypeOf(inputs[0]).dtype;
  if (!IsNarrowInteger(dtype)) return node.Answer(op, inputs);
  std::vector<ValueId> wide;
  for (ValueId id : inputs) {
    BITTERN_TRY_ASSIGN(const ValueId cast, node.CastTo(id, DType::kI64));
    wide.push_back(cast);
  }
  BITTERN_TRY_ASSIGN(const ValueId result, node.Emit(op, wide));
  return node.Answer("Cast", {result}, {{"to", runtime::ToString(dtype)}});
}

Result<void> ExpectSameTypes(OnnxNode& node) {
  for (size_t i = 1; i < node.input_count(); ++i) {
    if (node.Input(i) == kNone) return node.Fail("an input is absent");
    const TensorType& first = node.TypeOf(node.Input(0));
    const TensorType& other = node.TypeOf(node.Input(i));
    if (other.dtype != first.dtype) {
      return node.Fail("input " + std::to_string(i) + " is " +
                       runtime::ToString(other) + ", expected the type of " +
                       "input 0, " + runtime::ToString(first));
    }
  }
  return {};
}

// op(op(a, b), c)... of all inputs; the last application is the answer.
Result<void> AnswerFolded(OnnxNode& node, const std::string& op) {
  if (node.input_count() == 1) {
    node.AnswerWith(node.Input(0));
    return {};
  }
  ValueId sum = node.Input(0);
  for (size_t i = 1; i + 1 < node.input_count(); ++i) {
    BITTERN_TRY_ASSIGN(sum, node.Emit(op, {sum, node.Input(i)}));
  }
  return node.Answer(op, {sum, node.Input(node.input_count() - 1)});
}

}  // namespace

Result<void> ImportArithmetic(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY(ExpectSameTypes(node));
  BITTERN_TRY_ASSIGN(const ValueId b, LegacyOperand(node));
  if (node.TypeOf(node.Input(0)).dtype == DType::kI32) {
    return node.Answer(node.op(), {node.Input(0), b});
  }
  return AnswerWidened(node, node.op(), {node.Input(0), b});
}

// Since opset 12 the exponent may have another type than the base, which gives
// the result's.
Result<void> ImportPow(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const ValueId b, LegacyOperand(node));
  const DType dtype = node.TypeOf(node.Input(0)).dtype;
  const bool floats =
      dtype == DType::kF32 || node.TypeOf(node.Input(1)).dtype == DType::kF32;
  const DType wide = floats ? DType::kF32 : DType::kI64;
  BITTERN_TRY_ASSIGN(const ValueId base, node.CastTo(node.Input(0), wide));
  BITTERN_TRY_ASSIGN(const ValueId exponent, node.CastTo(b, wide));
  if (dtype == wide) return node.Answer("Pow", {base, exponent});
  BITTERN_TRY_ASSIGN(const ValueId power, node.Emit("Pow", {base, exponent}));
  return node.Answer("Cast", {power}, {{"to", runtime::ToString(dtype)}});
}

Result<void> ImportMod(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY(ExpectSameTypes(node));
  BITTERN_TRY_ASSIGN(const int64_t fmod, node.Int("fmod", 0));
  return AnswerWidened(node, fmod == 0 ? "Mod" : "Fmod", node.inputs());
}

Result<void> ImportMinMax(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, SIZE_MAX));
  BITTERN_TRY(ExpectSameTypes(node));
  if (node.input_count() == 2) {
    return AnswerWidened(node, node.op(), node.inputs());
  }
  return AnswerFolded(node, node.op());
}

Result<void> ImportSum(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, SIZE_MAX));
  BITTERN_TRY(ExpectSameTypes(node));
  return AnswerFolded(node, "Add");
}

Result<void> ImportMean(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, SIZE_MAX));
  BITTERN_TRY(ExpectSameTypes(node));
  ValueId sum = node.Input(0);
  for (size_t i = 1; i < node.input_count(); ++i) {
    BITTERN_TRY_ASSIGN(sum, node.Emit("Add", {sum, node.Input(i)}));
  }
  const ValueId count = node.ScalarF32(static_cast<float>(node.input_count()));
  return node.Answer("Div", {sum, count});
}

Result<void> ImportSignedUnary(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  return AnswerWidened(node, node.op(), node.inputs());
}

Result<void> ImportUnary(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  return node.Answer(node.op(), node.inputs());
}

}  // namespace bittern::convert
