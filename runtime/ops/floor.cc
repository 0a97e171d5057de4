// Floor: to the integer below.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kFloorOp = UnaryOpInfo<kernels::Unary::kFloor>("Floor");

}  // namespace bittern::runtime
