// Tanh: hyperbolic tangent.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kTanhOp = UnaryOpInfo<kernels::Unary::kTanh>("Tanh");

}  // namespace bittern::runtime
