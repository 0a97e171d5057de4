// PRelu: x where x >= 0, fl(x * slope) elsewhere, with numpy broadcasting.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct PReluFn {
  static constexpr DTypeSet kTypes = kF32Only;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kPRelu;
};

}  // namespace

constinit const OpInfo kPReluOp = BinaryOpInfo<PReluFn>("PRelu");

}  // namespace bittern::runtime
