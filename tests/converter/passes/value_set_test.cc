// Value sets of weight rows: exact, noisy, ternary, plain.
#include "converter/passes/value_set.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

namespace bittern::convert {
namespace {

// [k][n] from rows of output channels.
std::vector<float> Columns(const std::vector<std::vector<float>>& rows) {
  std::vector<float> weights;
  for (size_t k = 0; k < rows[0].size(); ++k) {
    for (const auto& row : rows) weights.push_back(row[k]);
  }
  return weights;
}

BipolarMatrix Classify(const std::vector<std::vector<float>>& rows) {
  return ClassifyBipolar(Columns(rows), rows[0].size(), rows.size());
}

bool Mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("rows of +-s give scales and bits") {
  const BipolarMatrix m = Classify({{0.5f, -0.5f, 0.5f}, {-3.0f, -3.0f, 3.0f}});
  CHECK(m.reason.empty());
  CHECK(m.scales == std::vector<float>{0.5f, 3.0f});
  CHECK(m.positive == std::vector<bool>{true, false, true, false, false, true});
  CHECK(m.max_ulp == 0);
}

TEST_CASE("noise of a few ulp snaps to the most frequent magnitude") {
  const float s = 0.75f;
  const float up = std::nextafter(std::nextafter(s, 1.0f), 1.0f);
  const float down = std::nextafter(s, 0.0f);
  const BipolarMatrix m = Classify({{s, -up, s, -s, down, -s}});
  CHECK(m.reason.empty());
  CHECK(m.scales == std::vector<float>{s});
  CHECK(m.max_ulp == 2);
}

TEST_CASE("noise of clipped latents counts in units of 1, not of a small s") {
  const float s = 1e-3f;
  const BipolarMatrix m = Classify({{s, -s, s + 1.5e-7f, -s, -s - 1e-7f, s}});
  CHECK(m.reason.empty());
  CHECK(m.scales == std::vector<float>{s});
  CHECK(m.max_ulp > 100);
}

TEST_CASE("a row of zeros is a scale of 0") {
  const BipolarMatrix m = Classify({{0.0f, 0.0f}, {1.0f, -1.0f}});
  CHECK(m.reason.empty());
  CHECK(m.scales == std::vector<float>{0.0f, 1.0f});
}

TEST_CASE("what is not +-s says why") {
  CHECK(Mentions(Classify({{0.5f, -0.5f}, {0.5f, 0.0f}}).reason,
                 "ternary weights: row 1 has 1 zeros of 2"));
  CHECK(Mentions(Classify({{0.5f, -0.4f, 0.3f, 0.1f}}).reason,
                 "row 0 has 4 distinct values"));
  // A difference of 1 % is no noise.
  CHECK_FALSE(Classify({{0.5f, -0.505f, 0.5f}}).reason.empty());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(Mentions(Classify({{nan, 1.0f}}).reason, "not finite"));
  CHECK(Mentions(ClassifyBipolar({}, 0, 3).reason, "empty"));
}

}  // namespace
}  // namespace bittern::convert
