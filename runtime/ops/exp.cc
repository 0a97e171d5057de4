// Exp: e to the x.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kExpOp = UnaryOpInfo<kernels::Unary::kExp>("Exp");

}  // namespace bittern::runtime
