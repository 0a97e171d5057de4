// ReduceMean: the arithmetic mean, fl(sum / n), over `axes` or all of x.
#include "runtime/ops/reduce_op.h"

namespace bittern::runtime {

constinit const OpInfo kReduceMeanOp =
    ReduceOpInfo<Reduction::kMean>("ReduceMean");

}  // namespace bittern::runtime
