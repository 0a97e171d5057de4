// Round: to the nearest integer, halves to even.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {

constinit const OpInfo kRoundOp = UnaryOpInfo<kernels::Unary::kRound>("Round");

}  // namespace bittern::runtime
