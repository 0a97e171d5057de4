// A product with what follows it.
#include "converter/passes/linear_chain.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"

namespace bittern::convert {
namespace {

std::optional<LinearChain> MatchIn(const std::string& body) {
  Result<Graph> graph = ParseGraph(
      "input %x: f32[2,3]\n"
      "const %w: f32[3,4] = normal(seed=1)\n"
      "const %f: f32[4] = normal(seed=2)\n"
      "const %b: f32[1,4] = normal(seed=3)\n" +
      body);
  if (!graph.ok()) FAIL(graph.error().message);
  REQUIRE(InferTypes(graph.value()).ok());
  for (size_t i = 0; i < graph.value().nodes().size(); ++i) {
    if (graph.value().nodes()[i].op == "MatMul") {
      return MatchLinear(graph.value(), static_cast<NodeId>(i));
    }
  }
  return std::nullopt;
}

TEST_CASE("factor and offset per channel belong to the chain") {
  const auto chain = MatchIn(
      "%m = MatMul(%x, %w) name=\"m\"\n%s = Mul(%f, %m) name=\"s\"\n"
      "%y = Add(%s, %b) name=\"y\"\noutput %y\n");
  REQUIRE(chain.has_value());
  CHECK(chain->k == 3);
  CHECK(chain->n == 4);
  CHECK(chain->factor != kNone);
  CHECK(chain->offset != kNone);
  CHECK(chain->last == 2);
}

TEST_CASE("a second reader, or a sum of activations, ends the chain") {
  const auto shared = MatchIn(
      "%m = MatMul(%x, %w) name=\"m\"\n%s = Mul(%m, %f) name=\"s\"\n"
      "%y = Add(%s, %m) name=\"y\"\noutput %y\n");
  REQUIRE(shared.has_value());
  CHECK(shared->factor == kNone);
  CHECK(shared->last == shared->matmul);
  const auto residual = MatchIn(
      "input %r: f32[2,4]\n%m = MatMul(%x, %w) name=\"m\"\n"
      "%y = Add(%m, %r) name=\"y\"\noutput %y\n");
  REQUIRE(residual.has_value());
  CHECK(residual->offset == kNone);
}

TEST_CASE("products of activations, or batched weights, are no linear") {
  CHECK_FALSE(
      MatchIn("input %r: f32[3,4]\n%m = MatMul(%x, %r) name=\"m\"\n"
              "output %m\n"));
  CHECK_FALSE(
      MatchIn("const %v: f32[2,3,4] = normal(seed=4)\n"
              "%m = MatMul(%x, %v) name=\"m\"\noutput %m\n"));
}

}  // namespace
}  // namespace bittern::convert
