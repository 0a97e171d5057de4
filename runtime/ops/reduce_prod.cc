// ReduceProd: the product, over `axes` or all of x.
#include "runtime/ops/reduce_op.h"

namespace bittern::runtime {

constinit const OpInfo kReduceProdOp =
    ReduceOpInfo<Reduction::kProd>("ReduceProd");

}  // namespace bittern::runtime
