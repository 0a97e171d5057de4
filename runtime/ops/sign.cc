// Sign: -1, 0 or 1; 0 for NaN.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {
namespace {

int64_t SignInteger(int64_t x) { return (x > 0) - (x < 0); }

}  // namespace

constinit const OpInfo kSignOp =
    UnaryOpInfo<kernels::Unary::kSign, &SignInteger>("Sign");

}  // namespace bittern::runtime
