// Evaluation of parts of a graph on random inputs.
#include "converter/passes/sampler.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"

namespace bittern::convert {
namespace {

TEST_CASE("a cone and a node outside the graph see the same input") {
  Result<Graph> graph = ParseGraph(R"(
input %x: f32[4,8]
input %y: f32[4,8]
const %c: f32[] = {2.0}
%a = Mul(%x, %c) name="a"
%b = Add(%a, %x) name="b"
%d = Add(%x, %y) name="d"
output %b
output %d
)");
  if (!graph.ok()) FAIL(graph.error().message);
  REQUIRE(InferTypes(graph.value()).ok());
  const ValueId x = graph.value().inputs[0];
  Sampler sampler(graph.value(), x);
  const auto input = sampler.Of(x);
  const auto b = sampler.Of(graph.value().outputs[0]);
  const auto doubled = sampler.OfNode("Add", {x, x}, {});
  REQUIRE(input.ok());
  REQUIRE(b.ok());
  REQUIRE(doubled.ok());
  REQUIRE(b.value().size() == 32);
  double sum = 0;
  for (size_t i = 0; i < 32; ++i) {
    CHECK(b.value()[i] == 2 * input.value()[i] + input.value()[i]);
    CHECK(doubled.value()[i] == 2 * input.value()[i]);
    sum += std::fabs(static_cast<double>(input.value()[i]));
  }
  CHECK(sum > 8);  // values are spread, not zero
  // What depends on another input cannot be sampled.
  CHECK_FALSE(sampler.Of(graph.value().outputs[1]).ok());
}

TEST_CASE("closeness is relative for large values, and NaN is never close") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(AllClose({1.0f, 1000.0f}, {1.0001f, 1000.1f}, 1e-3f));
  CHECK_FALSE(AllClose({1.0f}, {1.01f}, 1e-3f));
  CHECK_FALSE(AllClose({1.0f}, {1.0f, 1.0f}, 1e-3f));
  CHECK_FALSE(AllClose({nan}, {nan}, 1e-3f));
}

}  // namespace
}  // namespace bittern::convert
