// Add: a + b with numpy broadcasting; integers wrap.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct AddFn {
  static constexpr DTypeSet kTypes = kNumeric;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kAdd;
  template <class T>
  static T Apply(T a, T b) {
    return Wrap(a, b, [](auto x, auto y) { return x + y; });
  }
};

}  // namespace

constinit const OpInfo kAddOp = BinaryOpInfo<AddFn>("Add");

}  // namespace bittern::runtime
