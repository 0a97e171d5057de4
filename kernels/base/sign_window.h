// The sign quantiser as two comparisons: sign(fl(fl(x / a) + z)) is monotone in
// x, so a division per element is not needed.
#pragma once

#include "kernels/base/math_reference.h"

namespace bittern::kernels {

// If `exact`: code(x) = +1 for x > hi, -1 for x < lo, else 0, the two signs
// exchanged if `flip`. NaN gives 0. If not (a is zero, denormal, huge or not
// finite, or -z * a leaves the normal range): divide.
struct SignWindow {
  float lo = 0;
  float hi = 0;
  bool flip = false;
  bool exact = true;
};

// About 60 cycles. The window of the plain sign(x) is a default-constructed
// SignWindow.
SignWindow MakeSignWindow(float a, float z) noexcept;

// How one group of columns turns a value into a code.
struct SignQuantiser {
  SignWindow window;
  float a = 1;
  float z = 0;
};

// Of group `group`; a null means the plain sign.
inline SignQuantiser MakeSignQuantiser(const float* a, const float* z,
                                       size_t group) {
  if (a == nullptr) return {};
  return {MakeSignWindow(a[group], z[group]), a[group], z[group]};
}

// The definition: sign(fl(fl(x / a) + z)), sign(NaN) = 0.
inline int SignCode(float x, float a, float z) {
  const float y = x / a + z;
  return static_cast<int>(y > 0) - static_cast<int>(y < 0);
}

}  // namespace bittern::kernels
