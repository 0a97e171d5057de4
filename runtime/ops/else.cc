// Else: where the second body of an If starts.
#include "runtime/ops/jump_op.h"

namespace bittern::runtime {

constinit const OpInfo kElseOp = JumpOpInfo("Else", Jump::kElse, 0, 0, 0);

}  // namespace bittern::runtime
