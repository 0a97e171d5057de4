// MaxPool: the largest value of each window, NaN if it has one; padding never
// wins.
#include "runtime/ops/pool_op.h"

namespace bittern::runtime {

constinit const OpInfo kMaxPoolOp = PoolOpInfo<true>("MaxPool");

}  // namespace bittern::runtime
