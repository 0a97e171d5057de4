// The two operands of a low-bit product: activations (codes or f32) with
// channels last, and packed weights with a row for each output channel. What
// LowBitLinear and LowBitConv check alike.
#pragma once

#include "kernels/gemm/gemm.h"
#include "runtime/ops/infer.h"

namespace bittern::runtime {

struct LowBitOperands {
  kernels::GemmTypes types;
  int weight_bits = 0, activation_bits = 0;  // 32 for f32
};

// Input x: codes or f32 of at least one column.
Result<void> CheckActivations(const InferContext& context,
                              LowBitOperands& operands);

// Input w: constant codes of weights, [N, k], whose sums of k products fit
// int32. After CheckActivations.
Result<void> CheckWeights(const InferContext& context, int64_t k,
                          LowBitOperands& operands);

// Whether sums of k products of the operands fit int32; what CheckWeights asks.
Result<void> CheckSumLength(const InferContext& context, size_t k,
                            const LowBitOperands& operands);

}  // namespace bittern::runtime
