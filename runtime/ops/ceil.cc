// Ceil: to the integer above.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kCeilOp = UnaryOpInfo<kernels::Unary::kCeil>("Ceil");

}  // namespace bittern::runtime
