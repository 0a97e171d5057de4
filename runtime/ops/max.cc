// Max: the larger of a and b with numpy broadcasting; NaN if either is.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct MaxFn {
  static constexpr DTypeSet kTypes = kF32OrI64;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kMax;
  static int64_t Apply(int64_t a, int64_t b) { return a > b ? a : b; }
};

}  // namespace

constinit const OpInfo kMaxOp = BinaryOpInfo<MaxFn>("Max");

}  // namespace bittern::runtime
