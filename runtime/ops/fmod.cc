// Fmod: the remainder of a / b truncated toward zero, so the sign is a's, with
// numpy broadcasting; an integer remainder by 0 is 0.
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct FmodFn {
  static constexpr DTypeSet kTypes = kF32OrI64;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kCount;
  static float Apply(float a, float b) { return CanonicalNan(std::fmod(a, b)); }
  static int64_t Apply(int64_t a, int64_t b) {
    return b == 0 || b == -1 ? 0 : a % b;
  }
};

}  // namespace

constinit const OpInfo kFmodOp = BinaryOpInfo<FmodFn>("Fmod");

}  // namespace bittern::runtime
