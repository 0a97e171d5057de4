// Rows of two values: which is which, noise, and both forms of the weights.
#include "converter/passes/two_values.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

namespace bittern::convert {
namespace {

TEST_CASE("the value nearer to 0 comes first, whatever its sign") {
  // [k][n]: columns are channels.
  const std::vector<float> w = {0.7f,  -0.1f, 0.2f, 0,     //
                                -0.3f, -0.5f, 0.2f, 0.4f,  //
                                0.7f,  -0.5f, 0.2f, 0,     //
                                0.7f,  -0.1f, 0.2f, 0};
  const auto two = ClassifyTwoValues(w, 4, 4);
  REQUIRE(two);
  CHECK(two->near == std::vector<float>{-0.3f, -0.1f, 0.2f, 0});
  CHECK(two->far == std::vector<float>{0.7f, -0.5f, 0.2f, 0.4f});
  CHECK(two->is_far ==
        std::vector<int16_t>{1, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0});
}

TEST_CASE("noise of folding is no third value") {
  const float a = 0.25f, up = std::nextafter(a, 1.0f);
  const auto two = ClassifyTwoValues({a, up, a, -0.1f}, 4, 1);
  REQUIRE(two);
  CHECK(two->far == std::vector<float>{a});
  CHECK(two->near == std::vector<float>{-0.1f});
  CHECK_FALSE(ClassifyTwoValues({0.25f, 0.2501f, -0.1f, -0.1f}, 4, 1));
  CHECK_FALSE(ClassifyTwoValues({1.0f, 2.0f, 4.5f, 1.0f}, 4, 1));
  CHECK_FALSE(ClassifyTwoValues({1.0f, 2.0f, 1.0f}, 3, 1));  // by chance
  CHECK_FALSE(ClassifyTwoValues({1.0f, NAN, 1.0f, 1.0f}, 4, 1));
  CHECK_FALSE(ClassifyTwoValues({1.0f, HUGE_VALF, 1.0f, 1.0f}, 4, 1));
}

TEST_CASE("both forms give the values within an ulp of the larger") {
  std::mt19937 random(5);
  const auto draw = [&random] {
    return std::ldexp(static_cast<float>(random()) * 0x1p-31f - 1.0f,
                      -static_cast<int>(random() % 8));
  };
  int exact = 0;
  for (int round = 0; round < 2000; ++round) {
    const float a = draw(), b = draw();
    const auto two = ClassifyTwoValues({a, b, a, b}, 4, 1);
    REQUIRE(two);
    const float near = two->near[0], far = two->far[0];
    const float ulp =
        std::nextafter(std::fabs(far), HUGE_VALF) - std::fabs(far);
    const auto signs = two->AsSigns();
    CHECK(signs.codes.max_ulp <= 1);
    const double m = signs.middle[0], d = signs.codes.scales[0];
    CHECK(std::fabs(m - d - near) <= ulp);
    CHECK(std::fabs(m + d - far) <= ulp);
    const GroupedWeights group = two->AsGroup();
    CHECK(group.block == 4);
    const float scale = group.scales[0], zero = group.zeros[0];
    CHECK(group.max_ulp <= 2);
    const float first = (0.0f - zero) * scale, second = (1.0f - zero) * scale;
    CHECK(std::fabs(first - near) <= 2 * ulp);
    CHECK(std::fabs(second - far) <= 2 * ulp);
    exact += first == near && second == far;
  }
  CHECK(exact > 1000);
}

TEST_CASE("a row of one value") {
  const auto two = ClassifyTwoValues({0.3f, 0.3f, 0.3f, 0.3f}, 4, 1);
  REQUIRE(two);
  const GroupedWeights group = two->AsGroup();
  CHECK((0.0f - group.zeros[0]) * group.scales[0] == 0.3f);
  CHECK(two->AsSigns().middle[0] == 0.3f);
  CHECK(two->AsSigns().codes.scales[0] == 0);
}

}  // namespace
}  // namespace bittern::convert
