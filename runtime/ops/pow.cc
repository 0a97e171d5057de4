// Pow: a to the power b with numpy broadcasting. Floats by the C library
// (exempt from bit equality between machines); integers wrap, and a negative
// exponent gives the truncated fraction.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct PowFn {
  static constexpr DTypeSet kTypes = kF32OrI64;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kCount;
  static float Apply(float a, float b) { return CanonicalNan(std::pow(a, b)); }
  static int64_t Apply(int64_t a, int64_t b) {
    if (b < 0) {
      if (a == -1) return b % 2 == 0 ? 1 : -1;
      return a == 1 ? 1 : 0;
    }
    int64_t power = 1;
    for (; b != 0; b /= 2) {
      if (b % 2 != 0) power = Product(power, a);
      a = Product(a, a);
    }
    return power;
  }

 private:
  static int64_t Product(int64_t a, int64_t b) {
    return Wrap(a, b, [](auto x, auto y) { return x * y; });
  }
};

}  // namespace

constinit const OpInfo kPowOp = BinaryOpInfo<PowFn>("Pow");

}  // namespace bittern::runtime
