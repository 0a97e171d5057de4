// ReduceSum: the sum, over `axes` or all of x.
#include "runtime/ops/reduce_op.h"

namespace bittern::runtime {

constinit const OpInfo kReduceSumOp =
    ReduceOpInfo<Reduction::kSum>("ReduceSum");

}  // namespace bittern::runtime
