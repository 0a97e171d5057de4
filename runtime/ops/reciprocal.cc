// Reciprocal: 1 / x.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kReciprocalOp =
    UnaryOpInfo<kernels::Unary::kReciprocal>("Reciprocal");

}  // namespace bittern::runtime
