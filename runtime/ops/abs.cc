// Abs: absolute value; the smallest integer stays.
#include "runtime/ops/unary_op.h"

namespace bittern::runtime {
namespace {

int64_t AbsInteger(int64_t x) {
  return x < 0 ? static_cast<int64_t>(0 - static_cast<uint64_t>(x)) : x;
}

}  // namespace

constinit const OpInfo kAbsOp =
    UnaryOpInfo<kernels::Unary::kAbs, &AbsInteger>("Abs");

}  // namespace bittern::runtime
