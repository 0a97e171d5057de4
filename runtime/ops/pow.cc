// Pow: a to the power b with numpy broadcasting, by the C library (exempt from
// bit equality between machines).
#include "runtime/ops/binary_op.h"

namespace bittern::runtime {
namespace {

struct PowFn {
  static constexpr DTypeSet kTypes = kF32Only;
  static constexpr bool kBool = false;
  static constexpr auto kKernel = kernels::Binary::kCount;
  static float Apply(float a, float b) { return CanonicalNan(std::pow(a, b)); }
};

}  // namespace

constinit const OpInfo kPowOp = BinaryOpInfo<PowFn>("Pow");

}  // namespace bittern::runtime
