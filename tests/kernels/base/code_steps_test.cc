// Two comparisons against the quantiser that they replace, around every step
// and at the extremes.
#include "kernels/base/code_steps.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/support/random.h"

namespace bittern::kernels {
namespace {

uint8_t StepByte(const CodeSteps& steps, const ByteQuantiser& q, float x) {
  const int above = static_cast<int>(x >= steps.from[0]) +
                    static_cast<int>(x >= steps.from[1]);
  return static_cast<uint8_t>(q.step * (q.lo + above) + q.offset);
}

std::vector<float> Probes(const CodeSteps& steps) {
  std::vector<float> x = {0.0f,      -0.0f,     1.0f,  -1.0f,
                          0x1p-149f, -3e38f,    3e38f, 0x1p-126f,
                          INFINITY,  -INFINITY, 0.5f,  0x1p-20f};
  for (const float from : steps.from) {
    float up = from, down = from;
    for (int i = 0; i < 12 && from == from; ++i) {
      x.push_back(up);
      x.push_back(down);
      up = std::nextafter(up, INFINITY);
      down = std::nextafter(down, -INFINITY);
    }
  }
  return x;
}

TEST_CASE("code steps equal the quantiser") {
  test::Random random(7);
  size_t wrong = 0;
  for (int trial = 0; trial < 5000; ++trial) {
    const float scale = std::ldexp(random.Uniform(0.5f, 1),
                                   static_cast<int>(random.Below(260)) - 134);
    const float zero =
        trial % 2 == 0
            ? static_cast<float>(static_cast<int>(random.Below(7)) - 3)
            : random.Uniform(-3, 3);
    const bool after = trial % 4 == 0;
    const int32_t lo = static_cast<int32_t>(random.Below(4)) - 2;
    const ByteQuantiser q{&scale,
                          &zero,
                          ScalePer::kTensor,
                          random.Below(2) == 0,
                          after ? ZeroPointPlace::kAfterRounding
                                : ZeroPointPlace::kBeforeRounding,
                          lo,
                          lo + static_cast<int32_t>(random.Below(3)),
                          1 + static_cast<int32_t>(random.Below(2)),
                          3};
    const CodeSteps steps = MakeCodeSteps(q);
    REQUIRE(steps.exact);
    for (const float x : Probes(steps))
      wrong += StepByte(steps, q, x) != ByteCodeReference(q, 0, 0, x);
  }
  CHECK(wrong == 0);
}

TEST_CASE("quantisers without code steps say so") {
  const auto exact = [](float scale, float zero, int32_t hi) {
    ByteQuantiser q;
    q.scale = &scale;
    q.zero = &zero;
    q.hi = hi;
    return MakeCodeSteps(q).exact;
  };
  CHECK(exact(0.5f, 1, 2));
  CHECK_FALSE(exact(0.5f, 1, 3));
  CHECK_FALSE(exact(0, 1, 2));
  CHECK_FALSE(exact(-0.5f, 1, 2));
  CHECK_FALSE(exact(NAN, 1, 2));
  CHECK_FALSE(exact(INFINITY, 1, 2));
  CHECK_FALSE(exact(0.5f, INFINITY, 2));
}

}  // namespace
}  // namespace bittern::kernels
