// Div: a / b with numpy broadcasting; integers truncate toward zero, and x / 0
// is 0.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct DivFn {
  static constexpr DTypeSet kTypes = kNumeric;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kDiv;
  template <class T>
  static T Apply(T a, T b) {
    if (b == 0) return 0;
    if (b == -1) return Wrap<T>(0, a, [](auto x, auto y) { return x - y; });
    return a / b;
  }
};

}  // namespace

constinit const OpInfo kDivOp = BinaryOpInfo<DivFn>("Div");

}  // namespace bittern::runtime
