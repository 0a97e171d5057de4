#include "runtime/ops/low_bit_operands.h"

#include "runtime/ops/byte_codes.h"
#include "runtime/ops/linear_epilogue.h"

namespace bittern::runtime {

using kernels::Operand;

Result<void> CheckActivations(const InferContext& context,
                              LowBitOperands& operands) {
  if (!Has(context, kLinearX))
    return WrongInput(context, kLinearX, "x", "codes or f32");
  const TensorType& x = context.inputs[kLinearX].type;
  if (x.dtype == DType::kF32) {
    operands.types.activations = Operand::kF32;
    operands.activation_bits = 32;
    if (x.shape.rank() == 0 || x.shape.Last() == 0)
      return WrongInput(context, kLinearX, "x", "at least one column");
    return {};
  }
  operands.types.activations = OperandOf(x.code);
  operands.activation_bits = x.code.bits;
  return IsByteEncoding(x.code.encoding)
             ? CheckByteCodes(context, kLinearX, "x")
             : CheckSignCodes(context, kLinearX, "x");
}

Result<void> CheckWeights(const InferContext& context, int64_t k,
                          LowBitOperands& operands) {
  const TensorType w = Has(context, kLinearWeights)
                           ? context.inputs[kLinearWeights].type
                           : TensorType();
  operands.types.weights = OperandOf(w.code);
  operands.weight_bits = w.code.bits;
  if (!IsWeightEncoding(w.code.encoding) ||
      operands.types.weights == Operand::kF32) {
    return WrongInput(context, kLinearWeights, "w", "codes of weights");
  }
  if (w.shape.rank() != 2 || w.shape[0] < 1 || w.shape[1] != k) {
    return WrongInput(context, kLinearWeights, "w",
                      "[N," + std::to_string(k) + "]");
  }
  if (context.inputs[kLinearWeights].constant == nullptr)
    return WrongInput(context, kLinearWeights, "w", "a constant");
  return CheckSumLength(context, static_cast<size_t>(k), operands);
}

Result<void> CheckSumLength(const InferContext& context, size_t k,
                            const LowBitOperands& operands) {
  if (operands.types.activations == Operand::kF32) return {};
  const size_t most = kernels::MaxK(operands.types, 32);
  if (k <= most) return {};
  return context.Fail("sums: got " + std::to_string(k) + " products of " +
                      ToString(context.inputs[kLinearX].type) + " and " +
                      ToString(context.inputs[kLinearWeights].type) +
                      ", expected at most " + std::to_string(most) +
                      " to fit 32 bits");
}

}  // namespace bittern::runtime
