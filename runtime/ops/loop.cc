// Loop: runs the ops up to its EndLoop as often as turns and condition say; its
// outputs are what a turn starts from.
#include "runtime/ops/jump_op.h"

namespace bittern::runtime {

constinit const OpInfo kLoopOp =
    JumpOpInfo("Loop", Jump::kLoop, 0, SIZE_MAX, SIZE_MAX);

}  // namespace bittern::runtime
