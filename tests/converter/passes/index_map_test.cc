// Chains of moves as one map.
#include "converter/passes/index_map.h"

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

ValueId Named(const Graph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].name == name) return static_cast<ValueId>(i);
  }
  FAIL("no value " + name);
  return kNone;
}

TEST_CASE("moves compose through Reshape, Transpose, Slice, Split and Concat") {
  const Graph graph = Parsed(R"(
input %x: f32[2,3]
input %z: f32[1,2]
const %flat: i64[2] = {3, 2}
%n = Relu(%x) name="n"
%t = Transpose(%n) perm=[1, 0] name="t"
%a, %b = Split(%t) axis=0 sizes=[1, 2] name="split"
%s = Slice(%n) axes=[0] starts=[1] ends=[2] steps=[1] name="s"
%c = Concat(%b, %a) axis=0 name="c"
%r = Reshape(%n, %flat) name="r"
%d = Concat(%a, %z) axis=0 name="d"
output %c
output %s
output %r
output %d
)");
  const ValueId n = Named(graph, "n");
  IndexMap moves(graph);
  for (const char* name : {"c", "s", "r", "a"}) {
    CHECK(moves.SourceOf(Named(graph, name)) == n);
  }
  // Parts of two tensors are no move of one.
  CHECK(moves.SourceOf(Named(graph, "d")) == Named(graph, "d"));
  CHECK(moves.From(n, Named(graph, "c")).value() ==
        std::vector<int32_t>{1, 4, 2, 5, 0, 3});
  CHECK(moves.From(n, Named(graph, "s")).value() ==
        std::vector<int32_t>{3, 4, 5});
  CHECK(IsIdentityMap(moves.From(n, Named(graph, "r")).value(), 6));
  CHECK_FALSE(IsIdentityMap(moves.From(n, Named(graph, "s")).value(), 3));
  CHECK_FALSE(moves.From(Named(graph, "z"), Named(graph, "c")).ok());
}

TEST_CASE("scalars are passed only when asked") {
  const Graph graph = Parsed(R"(
input %x: f32[2,3]
const %half: f32[] = {0.5}
const %four: f32[1] = {4.0}
const %column: f32[3] = {1.0, 2.0, 3.0}
%m = Mul(%x, %column) name="m"
%a = Mul(%m, %half) name="a"
%t = Transpose(%a) perm=[1, 0] name="t"
%b = Div(%t, %four) name="b"
output %b
)");
  const ValueId b = Named(graph, "b"), m = Named(graph, "m");
  CHECK(IndexMap(graph).SourceOf(b) == b);
  IndexMap moves(graph, true);
  CHECK(moves.SourceOf(b) == m);
  CHECK(moves.FactorFrom(m, b) == 0.125f);
  CHECK(moves.From(m, b).value() == std::vector<int32_t>{0, 3, 1, 4, 2, 5});
}

TEST_CASE("more elements than an index holds are not followed") {
  const Graph graph = Parsed(R"(
input %x: f32[65536,65536]
%r = Relu(%x) name="r"
%t = Transpose(%r) perm=[1, 0] name="t"
output %t
)");
  const ValueId r = Named(graph, "r"), t = Named(graph, "t");
  IndexMap moves(graph);
  CHECK(moves.SourceOf(t) == t);
  CHECK_FALSE(moves.Takes(r, t));
  CHECK_FALSE(moves.Takes(r, r));
  CHECK(moves.From(r, r).error().message ==
        "'r' has more elements than are followed, expected at most 2^24");
}

}  // namespace
}  // namespace bittern::convert
