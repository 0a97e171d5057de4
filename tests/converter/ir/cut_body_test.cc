// Bodies cut out of a graph: what they copy, what they capture.
#include "converter/ir/cut_body.h"

#include <catch2/catch.hpp>

#include "converter/ir/print.h"
#include "converter/ir/verify.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

using test::ValueNamed;

// Nodes 2 to 5 are a body of %s, which nothing makes.
Graph Around() {
  Graph graph = test::GraphOf(R"(
input %x: f32[2]
const %one: f32[] = {1.0}
%a: f32[2] = Neg(%x)
%b: f32[2] = Abs(%x)
output %a
)");
  const ValueId s = graph.AddValue("s", TensorType{});
  const ValueId a = ValueNamed(graph, "a"), one = ValueNamed(graph, "one");
  const ValueId t = graph.Emit("Add", "t", {s, a}, {}, "t", TensorType{});
  graph.Emit("Exp", "unused", {t}, {}, "unused", TensorType{});
  const ValueId u = graph.Emit("Mul", "u", {t, one}, {}, "u", TensorType{});
  graph.Emit("Sub", "v", {u, a}, {}, "v", TensorType{});
  return graph;
}

TEST_CASE("a body holds what its results need and captures the rest") {
  const Graph graph = Around();
  const CutBody body = CutBodyFrom(
      graph, 2, 6, {ValueNamed(graph, "s")},
      {ValueNamed(graph, "v"), ValueNamed(graph, "b"), ValueNamed(graph, "s")});
  REQUIRE(VerifyGraph(*body.graph).ok());
  CHECK(body.captured ==
        std::vector<ValueId>{ValueNamed(graph, "a"), ValueNamed(graph, "b")});
  CHECK(body.graph->inputs.size() == 3);
  CHECK(body.graph->outputs.size() == 3);
  CHECK(body.graph->nodes().size() == 3);
  const std::string text = PrintGraph(*body.graph);
  CHECK_THAT(text, Catch::Contains("const %one"));
  CHECK_THAT(text, Catch::Contains("= Sub(%u, %a)"));
  CHECK_THAT(text, !Catch::Contains("Exp"));
}

TEST_CASE("bodies of one node capture one list") {
  const Graph graph = Around();
  const ValueId a = ValueNamed(graph, "a"), b = ValueNamed(graph, "b");
  std::vector<CutBody> bodies = {CutBodyFrom(graph, 2, 2, {}, {a}),
                                 CutBodyFrom(graph, 2, 2, {}, {b})};
  CHECK(JoinCaptured(bodies) == std::vector<ValueId>{a, b});
  for (const CutBody& body : bodies) {
    CHECK(body.graph->inputs.size() == 2);
    CHECK(VerifyGraph(*body.graph).ok());
  }
  CHECK(bodies[0].graph->outputs[0] == bodies[0].graph->inputs[0]);
  CHECK(bodies[1].graph->outputs[0] == bodies[1].graph->inputs[1]);
}

}  // namespace
}  // namespace bittern::convert
