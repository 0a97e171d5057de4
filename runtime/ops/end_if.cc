// EndIf: hands on the results of the body that ran.
#include "runtime/ops/jump_op.h"

namespace bittern::runtime {

constinit const OpInfo kEndIfOp =
    JumpOpInfo("EndIf", Jump::kEndIf, 0, SIZE_MAX, SIZE_MAX);

}  // namespace bittern::runtime
