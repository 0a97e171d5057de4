// If: runs the ops up to its Else, or those from there to the EndIf.
#include "runtime/ops/jump_op.h"

namespace bittern::runtime {

constinit const OpInfo kIfOp = JumpOpInfo("If", Jump::kIf, 1, 1, 0);

}  // namespace bittern::runtime
