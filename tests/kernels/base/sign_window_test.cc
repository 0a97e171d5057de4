// The two comparisons of MakeSignWindow against the division they replace,
// around every threshold.
#include "kernels/base/sign_window.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/support/random.h"

namespace bittern::kernels {
namespace {

int WindowCode(const SignWindow& w, float x) {
  const int code = static_cast<int>(x > w.hi) - static_cast<int>(x < w.lo);
  return w.flip ? -code : code;
}

// Floats around `center` (all neighbours within `reach` ulps) and the extremes.
std::vector<float> Probes(float center, int reach) {
  std::vector<float> x = {0.0f,       -0.0f,     1.0f,       -1.0f, 0x1p-149f,
                          -0x1p-149f, 0x1p-126f, -0x1p-126f, 3e38f, -3e38f,
                          INFINITY,   -INFINITY, NAN};
  float up = center, down = center;
  for (int i = 0; i < reach; ++i) {
    x.push_back(up);
    x.push_back(down);
    up = std::nextafter(up, INFINITY);
    down = std::nextafter(down, -INFINITY);
  }
  return x;
}

TEST_CASE("sign windows equal the division") {
  test::Random random(1);
  size_t exact = 0, wrong = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    const float a = std::ldexp(random.Uniform(-2, 2),
                               static_cast<int>(random.Below(60)) - 30);
    const float z =
        trial % 3 == 0
            ? static_cast<float>(static_cast<int>(random.Below(9)) - 4)
            : random.Uniform(-300, 300);
    const SignWindow window = MakeSignWindow(a, z);
    if (!window.exact) continue;
    ++exact;
    for (const float x : Probes(-z * a, 12))
      wrong += WindowCode(window, x) != SignCode(x, a, z);
  }
  CHECK(wrong == 0);
  CHECK(exact > 19000);
}

TEST_CASE("z = 0 is zero only where the quotient underflows") {
  for (const float a : {0x1p-119f, 0.3f, 1.0f, -1.0f, 1.5f, 2.0f, -2.5f, 3.0f,
                        4096.0f, 0x1.fffffep+23f}) {
    CAPTURE(a);
    const SignWindow window = MakeSignWindow(a, 0.0f);
    REQUIRE(window.exact);
    for (uint32_t bits = 0; bits < 9000; ++bits) {
      const float x = std::bit_cast<float>(bits);
      REQUIRE(WindowCode(window, x) == SignCode(x, a, 0.0f));
      REQUIRE(WindowCode(window, -x) == SignCode(-x, a, 0.0f));
    }
    for (const float x : Probes(a * 0x1p-149f * 0.5f, 12))
      REQUIRE(WindowCode(window, x) == SignCode(x, a, 0.0f));
  }
}

TEST_CASE("a window is refused where two comparisons cannot say it") {
  for (const float a :
       {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 0x1p-130f, 0x1p121f})
    CHECK_FALSE(MakeSignWindow(a, 1.0f).exact);
  for (const float z : {NAN, INFINITY, 0x1p125f, 0x1p-125f})
    CHECK_FALSE(MakeSignWindow(1.0f, z).exact);
  CHECK_FALSE(MakeSignWindow(0x1p24f, 0.0f).exact);
}

TEST_CASE("the default window is the plain sign") {
  for (const float x : Probes(0.0f, 12))
    CHECK(WindowCode(SignWindow{}, x) == SignCode(x, 1.0f, 0.0f));
}

}  // namespace
}  // namespace bittern::kernels
