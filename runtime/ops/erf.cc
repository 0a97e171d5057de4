// Erf: error function.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kErfOp = UnaryOpInfo<kernels::Unary::kErf>("Erf");

}  // namespace bittern::runtime
