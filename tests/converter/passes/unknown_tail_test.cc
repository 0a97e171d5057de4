// What passes do not see: it leaves the graph and comes back as it was.
#include "converter/passes/unknown_tail.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/ir/print.h"
#include "converter/ir/verify.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

Graph Typed(const char* text) {
  Graph graph = test::GraphOf(text);
  const Result<void> typed = InferTypes(graph);
  if (!typed.ok()) FAIL(typed.error().message);
  return graph;
}

constexpr const char* kKnown = R"(
input %x: f32[2,3]
%a = Neg(%x) name="a"
output %a
)";

// b and n are known; what NonZero finds is not, nor what is made of it.
constexpr const char* kMixed = R"(
input %x: f32[2,3]
const %one: f32[] = {1.0}
%b = Add(%x, %one) name="b"
%rows, %n = NonZero(%b) name="rows"
%found = Slice(%rows, _, %n) name="found" axes=[0] starts=[0]
%values = GatherNd(%x, %found) name="values"
%y = Mul(%values, %one) name="y"
%twice = Add(%b, %b) name="twice"
output %y
output %twice as "double"
)";

TEST_CASE("a graph whose sizes are known has no tail") {
  Graph graph = Typed(kKnown);
  const std::string before = PrintGraph(graph);
  UnknownTail tail = UnknownTail::Detach(graph);
  CHECK(PrintGraph(graph) == before);
  std::move(tail).Attach(graph);
  CHECK(PrintGraph(graph) == before);
}

TEST_CASE("the tail leaves and comes back") {
  Graph graph = Typed(kMixed);
  UnknownTail tail = UnknownTail::Detach(graph);
  REQUIRE(VerifyGraph(graph).ok());
  const std::string head = PrintGraph(graph);
  CHECK_THAT(head, Catch::Contains("NonZero"));  // of a bound that is known
  CHECK_THAT(head, !Catch::Contains("Slice"));
  CHECK_THAT(head, !Catch::Contains("GatherNd"));
  CHECK_THAT(head, !Catch::Contains("Mul"));
  CHECK_THAT(head, Catch::Contains("Add(%b, %b)"));
  std::move(tail).Attach(graph);
  REQUIRE(VerifyGraph(graph).ok());
  CHECK(graph.output_names == std::vector<std::string>{"y", "double"});
  CHECK(graph.value(graph.outputs[0]).type->shape == Shape{-1});
  CHECK_THAT(PrintGraph(graph), Catch::Contains("= GatherNd(%x, %found"));
}

TEST_CASE("what passes put in the place of a value is what the tail reads") {
  Graph graph = Typed(kMixed);
  UnknownTail tail = UnknownTail::Detach(graph);
  const ValueId rows = test::ValueNamed(graph, "rows");
  const ValueId other = graph.Emit("Identity", "other", {rows}, {}, "other",
                                   graph.value(rows).type);
  for (ValueId& output : graph.outputs)
    output = output == rows ? other : output;
  std::move(tail).Attach(graph);
  REQUIRE(VerifyGraph(graph).ok());
  CHECK_THAT(PrintGraph(graph), Catch::Contains("= Slice(%other, _, %n)"));
}

TEST_CASE("nodes with bodies are of the tail") {
  Graph graph = Typed(kKnown);
  auto body = std::make_shared<Graph>(test::GraphOf(kKnown));
  const ValueId x = graph.inputs[0];
  const ValueId go =
      graph.AddValue("go", TensorType{runtime::DType::kBool, {}, {}});
  graph.inputs.push_back(go);
  const ValueId y =
      graph.Emit("If", "choice", {go, x}, {}, "y", graph.value(x).type);
  graph.node(graph.ProducerId(y)).bodies = {body, body};
  graph.outputs = {y};
  graph.output_names = {"y"};
  REQUIRE(VerifyGraph(graph).ok());
  UnknownTail tail = UnknownTail::Detach(graph);
  CHECK_THAT(PrintGraph(graph), !Catch::Contains("If("));
  std::move(tail).Attach(graph);
  REQUIRE(VerifyGraph(graph).ok());
  CHECK_THAT(PrintGraph(graph), Catch::Contains("= If(%go, %x)"));
  CHECK_THAT(PrintGraph(graph), Catch::Contains("= Neg(%x)"));
  graph.node(graph.ProducerId(graph.outputs[0])).bodies.pop_back();
  CHECK_FALSE(VerifyGraph(graph).ok());
}

}  // namespace
}  // namespace bittern::convert
