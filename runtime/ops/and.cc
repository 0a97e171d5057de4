// And: logical and of booleans, bitwise and of i64, with numpy broadcasting.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct AndFn {
  static constexpr DTypeSet kTypes = kBoolOnly | kI64Only;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kCount;
  static uint8_t Apply(uint8_t a, uint8_t b) { return a != 0 && b != 0; }
  static int64_t Apply(int64_t a, int64_t b) { return a & b; }
};

}  // namespace

constinit const OpInfo kAndOp = BinaryOpInfo<AndFn>("And");

}  // namespace bittern::runtime
