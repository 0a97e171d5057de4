// Equal: a == b with numpy broadcasting; false with NaN.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct EqualFn {
  static constexpr DTypeSet kTypes = kNumeric | kBoolOnly;
  static constexpr bool kBool = true;
  static constexpr auto kKernel = kernels::Binary::kCount;
  template <class T>
  static bool Apply(T a, T b) {
    return a == b;
  }
  static bool Apply(uint8_t a, uint8_t b) { return (a != 0) == (b != 0); }
};

}  // namespace

constinit const OpInfo kEqualOp = BinaryOpInfo<EqualFn>("Equal");

}  // namespace bittern::runtime
