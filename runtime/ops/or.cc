// Or: logical or with numpy broadcasting.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct OrFn {
  static constexpr DTypeSet kTypes = kBoolOnly;
  static constexpr bool kBool = true;
  static constexpr auto kKernel = kernels::Binary::kCount;
  static bool Apply(uint8_t a, uint8_t b) { return a != 0 || b != 0; }
};

}  // namespace

constinit const OpInfo kOrOp = BinaryOpInfo<OrFn>("Or");

}  // namespace bittern::runtime
