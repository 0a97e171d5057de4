// Gelu: x * (erf(x / sqrt 2) + 1) / 2, by the rational approximation of
// kernels/README.md.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kGeluOp = UnaryOpInfo<kernels::Unary::kGelu>("Gelu");

}  // namespace bittern::runtime
