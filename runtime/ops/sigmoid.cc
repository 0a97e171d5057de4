// Sigmoid: 1 / (1 + exp(-x)).
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kSigmoidOp =
    UnaryOpInfo<kernels::Unary::kSigmoid>("Sigmoid");

}  // namespace bittern::runtime
