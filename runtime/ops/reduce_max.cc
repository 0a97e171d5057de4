// ReduceMax: the largest, NaN if any is NaN, over `axes` or all of x.
#include "runtime/ops/reduce_op.h"

namespace bittern::runtime {

constinit const OpInfo kReduceMaxOp =
    ReduceOpInfo<Reduction::kMax>("ReduceMax");

}  // namespace bittern::runtime
