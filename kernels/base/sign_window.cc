// fl(fl(x / a) + z) is zero exactly where fl(x / a) == -z (a floating-point sum
// is zero only if its terms are opposite), so the codes change within one ulp
// of x = -z * a, and five neighbours of that product show where.
#include "kernels/base/sign_window.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace bittern::kernels {
namespace {

constexpr float kSmallest =
    0x1p-120f;  // of |a| and |z * a|: no neighbour is denormal
constexpr float kLargest = 0x1p120f;
constexpr int kReach = 2;  // ulps around fl(-z * a): its own error of 1/2 plus
                           // the rounding of x / a, at most 1, is less
constexpr int kCandidates = 2 * kReach + 1;

// z == 0: fl(x / a) is zero iff |x / a| <= 2^-150 (ties go to even), that is
// |x| <= floor(|a| / 2) denormal steps of 2^-149.
SignWindow ZeroWindow(float magnitude, bool flip) {
  const float t = std::bit_cast<float>(static_cast<uint32_t>(magnitude * 0.5f));
  return {-t, t, flip, magnitude < 0x1p24f};
}

}  // namespace

SignWindow MakeSignWindow(float a, float z) noexcept {
  const float magnitude = std::fabs(a);
  const bool flip = a < 0;
  SignWindow window{0, 0, flip, false};
  if (!(magnitude >= kSmallest && magnitude < kLargest)) return window;
  if (z == 0) return magnitude < 0x1p24f ? ZeroWindow(magnitude, flip) : window;
  const float center = -z * a;
  if (!(std::fabs(center) >= kSmallest && std::fabs(center) < kLargest))
    return window;
  const uint32_t bits = std::bit_cast<uint32_t>(center);
  const int up = center > 0 ? 1 : -1;  // one more bit is one ulp away from zero
  int side[kCandidates];  // of candidate i, ascending: -1 below the zero
                          // region, 0 inside, +1 above
  float x[kCandidates];
  for (int i = 0; i < kCandidates; ++i) {
    x[i] =
        std::bit_cast<float>(bits + static_cast<uint32_t>(up * (i - kReach)));
    const int code = SignCode(x[i], a, z);
    side[i] = flip ? -code : code;
  }
  window.exact = side[0] < 0 && side[kCandidates - 1] > 0;
  window.lo = x[kCandidates - 1];
  window.hi = x[0];
  for (int i = 0; i < kCandidates; ++i) {
    if (side[i] <= 0) window.hi = x[i];
    if (side[kCandidates - 1 - i] >= 0) window.lo = x[kCandidates - 1 - i];
  }
  return window;
}

}  // namespace bittern::kernels
