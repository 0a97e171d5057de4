// Grids behind levels: common divisors, the exact scale, noise, no grid.
#include "converter/passes/level_grid.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

namespace bittern::convert {
namespace {

std::optional<LevelGrid> Fit(const std::vector<float>& values) {
  std::vector<Level> levels;
  for (float v : values) levels.push_back({v, 1});
  return FitGrid(levels);
}

TEST_CASE("codes have no common divisor") {
  const auto grid = Fit({-4.0f, 0.0f, 8.0f});
  REQUIRE(grid);
  CHECK(grid->scale == 4.0f);
  CHECK(grid->codes == std::vector<int16_t>{-1, 0, 2});
}

TEST_CASE("the step may be smaller than every gap") {
  const auto grid = Fit({2.0f, 5.0f});
  REQUIRE(grid);
  CHECK(grid->scale == 1.0f);
  CHECK(grid->codes == std::vector<int16_t>{2, 5});
}

TEST_CASE("the scale that gives every level exactly is found") {
  std::mt19937 generator(3);
  for (int round = 0; round < 2000; ++round) {
    const float scale = std::ldexp(
        1.0f + static_cast<float>(generator() % 8388608) / 8388608, -7);
    std::vector<float> values;
    for (int code = -7; code < 8; ++code) {
      if (generator() % 2 == 0)
        values.push_back(static_cast<float>(code) * scale);
    }
    if (values.empty()) continue;
    const auto grid = Fit(values);
    REQUIRE(grid);
    REQUIRE(grid->max_ulp == 0);
    for (size_t i = 0; i < values.size(); ++i) {
      REQUIRE(static_cast<float>(grid->codes[i]) * grid->scale == values[i]);
    }
  }
}

TEST_CASE("levels of 0 have scale 0") {
  const auto grid = Fit({-0.0f, 0.0f});
  REQUIRE(grid);
  CHECK(grid->scale == 0.0f);
  CHECK(grid->codes == std::vector<int16_t>{0, 0});
}

TEST_CASE("the most frequent of noisy levels decides") {
  const float s = 0.02f;
  const auto grid =
      FitGrid({{-s - 1e-7f, 3}, {-s, 90}, {5e-8f, 7}, {s, 80}, {s + 1e-7f, 5}});
  REQUIRE(grid);
  CHECK(grid->scale == s);
  CHECK(grid->codes == std::vector<int16_t>{-1, -1, 0, 1, 1});
  CHECK(grid->max_ulp > 10);
}

TEST_CASE("no grid, or one of too many steps") {
  CHECK_FALSE(Fit({}));
  CHECK_FALSE(Fit({1.0f, std::sqrt(2.0f)}));
  CHECK_FALSE(Fit({1.0f, 600.0f}));
  CHECK(Fit({1.0f, 511.0f}));
}

}  // namespace
}  // namespace bittern::convert
