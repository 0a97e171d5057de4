// What counts as a move of rows, and which nodes rows pass one by one.
#include "converter/passes/row_moves.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"

namespace bittern::convert {
namespace {

Graph Parsed(const char* text) {
  Result<Graph> graph = ParseGraph(text);
  REQUIRE(graph.ok());
  REQUIRE(InferTypes(graph.value()).ok());
  return std::move(graph).value();
}

TEST_CASE("whole rows move, columns do not") {
  const Graph graph = Parsed(R"(
input %x: f32[3,2]
const %i: i64[2] = {2, 0}
const %four: i64[1] = {4}
%g = Gather(%x, %i) axis=0 name="g"
%r = Reshape(%g, %four) name="r"
%t = Transpose(%x) perm=[1, 0] name="t"
output %r
output %t
)");
  const ValueId x = graph.inputs[0];
  const auto move = RowMoveFrom(graph, x, graph.outputs[0]).value();
  REQUIRE(move.has_value());
  CHECK(move->rows == std::vector<int64_t>{2, 0});
  CHECK(move->width == 2);
  CHECK_FALSE(move->identity);
  CHECK(RowMoveFrom(graph, x, x).value()->identity);
  CHECK_FALSE(RowMoveFrom(graph, x, graph.outputs[1]).value().has_value());
}

TEST_CASE("permutations and their inverses") {
  CHECK(IsPermutation({2, 0, 1}));
  CHECK_FALSE(IsPermutation({2, 0, 0}));
  CHECK_FALSE(IsPermutation({3, 0, 1}));
  CHECK_FALSE(IsPermutation({-1, 0, 1}));
  CHECK(InverseOf({2, 0, 1}) == std::vector<int64_t>{1, 2, 0});
}

TEST_CASE("row-wise nodes") {
  const Graph graph = Parsed(R"(
input %x: f32[3,2]
const %gamma: f32[2] = {1.0, 2.0}
const %rows: f32[3,1] = {1.0, 2.0, 3.0}
const %w: f32[2,4] = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0}
%a = LayerNorm(%x, %gamma) epsilon=1e-05 name="yes"
%b = Mul(%a, %gamma) name="yes"
%c = MatMul(%b, %w) name="yes"
%d = Gelu(%c) name="yes"
%q = Quantize(%b, %gamma) per="column" lo=0 hi=3 name="yes"
%e = Dequantize(%q, %gamma) per="column" name="yes"
%f = Mul(%b, %rows) name="no"
%g = Add(%a, %b) name="no"
%h = ReduceMean(%b) axes=[0] name="no"
%p = Quantize(%b, %rows) per="row" lo=0 hi=3 name="no"
%k = Sub(%gamma, %x) name="second"
%m = Concat(%a, %b) axis=0 name="no"
output %d
output %e
output %f
output %g
output %h
output %k
output %m
)");
  for (const Node& node : graph.nodes()) {
    INFO(node.op);
    CHECK(RowInput(graph, node).has_value() == (node.name != "no"));
    if (node.name == "second") CHECK(RowInput(graph, node) == 1);
  }
}

}  // namespace
}  // namespace bittern::convert
