// Sqrt: square root.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kSqrtOp = UnaryOpInfo<kernels::Unary::kSqrt>("Sqrt");

}  // namespace bittern::runtime
