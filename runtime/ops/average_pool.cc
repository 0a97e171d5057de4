// AveragePool: fl(sum / count) of each window, summed in row-major order; count
// includes padding only with count_include_pad.
#include "runtime/ops/pool_op.h"

namespace bittern::runtime {

constinit const OpInfo kAveragePoolOp = PoolOpInfo<false>("AveragePool");

}  // namespace bittern::runtime
