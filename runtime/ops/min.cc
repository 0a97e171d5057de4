// Min: the smaller of a and b with numpy broadcasting; NaN if either is.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct MinFn {
  static constexpr DTypeSet kTypes = kF32OrI64;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kMin;
  static int64_t Apply(int64_t a, int64_t b) { return a < b ? a : b; }
};

}  // namespace

constinit const OpInfo kMinOp = BinaryOpInfo<MinFn>("Min");

}  // namespace bittern::runtime
