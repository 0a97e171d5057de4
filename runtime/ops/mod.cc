// Mod: a - floor(a / b) * b with numpy broadcasting, so the sign is b's; an
// integer remainder by 0 is 0.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct ModFn {
  static constexpr DTypeSet kTypes = kF32OrI64;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kCount;
  static float Apply(float a, float b) {
    const float r = std::fmod(a, b);
    return CanonicalNan(r != 0 && (r < 0) != (b < 0) ? r + b : r);
  }
  static int64_t Apply(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    const int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  }
};

}  // namespace

constinit const OpInfo kModOp = BinaryOpInfo<ModFn>("Mod");

}  // namespace bittern::runtime
