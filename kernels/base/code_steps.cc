// Every operation of the quantiser keeps the order of its operands if the scale
// is positive, so bisection over all floats in their order finds each step: 32
// evaluations of the definition.
#include "kernels/base/code_steps.h"

#include <bit>
#include <cmath>
#include <limits>

namespace bittern::kernels {
namespace {

constexpr int64_t kInfinity = 0x7f800000;  // -kInfinity..kInfinity: all floats

float FloatAt(int64_t place) {
  const auto magnitude = static_cast<uint32_t>(place < 0 ? -place : place);
  return std::bit_cast<float>(magnitude | (place < 0 ? 0x80000000u : 0));
}

// Codes above the lowest.
int32_t IndexAt(const ByteQuantiser& q, int64_t place) {
  const auto lowest = static_cast<uint8_t>(q.step * q.lo + q.offset);
  const uint8_t byte = ByteCodeReference(q, 0, 0, FloatAt(place));
  return static_cast<uint8_t>(byte - lowest) / q.step;
}

float StepTo(const ByteQuantiser& q, int32_t index) {
  if (IndexAt(q, kInfinity) < index)
    return std::numeric_limits<float>::quiet_NaN();
  int64_t below = -kInfinity - 1, at = kInfinity;
  while (at - below > 1) {
    const int64_t middle = (at + below) / 2;
    (IndexAt(q, middle) >= index ? at : below) = middle;
  }
  return FloatAt(at);
}

}  // namespace

CodeSteps MakeCodeSteps(const ByteQuantiser& q) noexcept {
  const float scale = q.scale[0], zero = q.zero != nullptr ? q.zero[0] : 0.0f;
  const bool ascends = scale > 0 && std::isfinite(scale) && std::isfinite(zero);
  if (!ascends || q.hi - q.lo > 2) return {{0, 0}, false};
  return {{StepTo(q, 1), StepTo(q, 2)}, true};
}

}  // namespace bittern::kernels
