// Relu: x where positive, else +0.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kReluOp = UnaryOpInfo<kernels::Unary::kRelu>("Relu");

}  // namespace bittern::runtime
