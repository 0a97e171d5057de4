// LessOrEqual: a <= b with numpy broadcasting; false with NaN.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct LessOrEqualFn {
  static constexpr DTypeSet kTypes = kNumeric;
  static constexpr bool kBool = true;
  static constexpr auto kKernel = kernels::Binary::kCount;
  template <class T>
  static bool Apply(T a, T b) {
    return a <= b;
  }
};

}  // namespace

constinit const OpInfo kLessOrEqualOp =
    BinaryOpInfo<LessOrEqualFn>("LessOrEqual");

}  // namespace bittern::runtime
