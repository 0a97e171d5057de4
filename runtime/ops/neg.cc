// Neg: -x; integers wrap.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {
namespace {

int64_t NegInteger(int64_t x) {
  return static_cast<int64_t>(0 - static_cast<uint64_t>(x));
}

}  // namespace

constinit const OpInfo kNegOp =
    UnaryOpInfo<kernels::Unary::kNeg, &NegInteger>("Neg");

}  // namespace bittern::runtime
