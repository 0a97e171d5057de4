// Ranges of codes: bounds that pass through scales of both signs.
#include "converter/passes/code_bounds.h"

#include <catch2/catch.hpp>
#include <limits>

namespace bittern::convert {
namespace {

using Kind = QuantiserStep::Kind;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

QuantiserStep Clip(float lo, float hi) { return {Kind::kClip, {}, lo, hi}; }
QuantiserStep Round() { return {Kind::kRound, {}, 0, 0}; }
QuantiserStep Step(Kind kind, std::vector<float> values) {
  return {kind, std::move(values), 0, 0};
}

TEST_CASE("a Clip in front of the scale becomes a range of codes") {
  const auto bounds =
      BoundsOf({Clip(0, 1), Step(Kind::kMultiply, {15}), Round()});
  REQUIRE(bounds);
  CHECK(bounds->lo == 0);
  CHECK(bounds->hi == 15);
}

TEST_CASE("a negative scale turns the bounds round; a Relu is one-sided") {
  const auto bounds =
      BoundsOf({Clip(0, kInfinity), Step(Kind::kDivide, {-0.5f}), Round(),
                Step(Kind::kAdd, {3}), Clip(-8, 7)});
  REQUIRE(bounds);
  CHECK(bounds->lo == -8);
  CHECK(bounds->hi == 3);
}

TEST_CASE("bounds are rounded half to even, as codes are") {
  const auto bounds = BoundsOf({Clip(-2.5f, 3.5f), Round()});
  REQUIRE(bounds);
  CHECK(bounds->lo == -2);
  CHECK(bounds->hi == 4);
}

TEST_CASE("channels must agree, and values be known") {
  const std::vector<float> scales = {0.5f, 4.0f};
  CHECK_FALSE(BoundsOf({Clip(-10, 10), Step(Kind::kDivide, scales), Round()}));
  const auto wide = BoundsOf(
      {Clip(-100, 100), Step(Kind::kDivide, scales), Clip(-8, 7), Round()});
  REQUIRE(wide);
  CHECK(wide->lo == -8);
  CHECK_FALSE(BoundsOf({Clip(0, 1), Step(Kind::kDivide, {}), Round()}));
  CHECK_FALSE(BoundsOf({Clip(0, 1), Step(Kind::kDivide, {0}), Round()}));
}

}  // namespace
}  // namespace bittern::convert
