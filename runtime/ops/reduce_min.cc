// ReduceMin: the smallest, NaN if any is NaN, over `axes` or all of x.
#include "runtime/ops/reduce_op.h"

namespace bittern::runtime {

constinit const OpInfo kReduceMinOp =
    ReduceOpInfo<Reduction::kMin>("ReduceMin");

}  // namespace bittern::runtime
