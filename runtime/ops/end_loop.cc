// EndLoop: what a turn of a Loop ends with, and, after the last, what it
// leaves.
#include "runtime/ops/jump_op.h"

namespace bittern::runtime {

constinit const OpInfo kEndLoopOp =
    JumpOpInfo("EndLoop", Jump::kEndLoop, 1, SIZE_MAX, SIZE_MAX);

}  // namespace bittern::runtime
