// Each broken invariant is found and named.
#include "converter/ir/verify.h"

#include <catch2/catch.hpp>

#include "tests/converter/ir/graph_of.h"

namespace bittern::test {
namespace {

using convert::Graph;
using convert::VerifyGraph;

constexpr const char* kGood = R"(
input %x: f32[2]
const %c: f32[2] = {1.0, 2.0}
%a: f32[2] = Add(%x, %c) name="sum"
%t: f32[2] = Transpose(%a) name="turn" perm=[0]
output %t
)";

std::string ErrorOf(const Graph& graph) {
  const convert::Result<void> result = VerifyGraph(graph);
  return result.ok() ? "" : result.error().message;
}

TEST_CASE("a good graph passes", "[ir]") {
  CHECK(ErrorOf(GraphOf(kGood)).empty());
}

TEST_CASE("broken values are found", "[ir]") {
  Graph graph = GraphOf(kGood);
  const convert::ValueId c = ValueNamed(graph, "c");
  const convert::ValueId a = ValueNamed(graph, "a");
  SECTION("two of one name") {
    graph.value(c).name = "x";
    CHECK(ErrorOf(graph) == "two values are named 'x'");
  }
  SECTION("a constant that is too small") {
    graph.value(c).type->shape = {3};
    CHECK(ErrorOf(graph) == "constant 'c' has 8 bytes, expected 12");
  }
  SECTION("a constant without a type") {
    graph.value(c).type.reset();
    CHECK(ErrorOf(graph) == "constant 'c' has no static type");
  }
  SECTION("a value used before it is made") {
    graph.node(0).inputs[1] = ValueNamed(graph, "t");
    CHECK(ErrorOf(graph) == "Add 'sum' reads 't' before it is made");
  }
  SECTION("a value made twice") {
    graph.node(1).outputs[0] = a;
    CHECK(ErrorOf(graph) == "Transpose 'turn' makes 'a', which exists already");
  }
  SECTION("an id out of range") {
    graph.node(1).inputs[0] = 99;
    CHECK(ErrorOf(graph) == "Transpose 'turn' reads a value out of range");
  }
  SECTION("an output that nothing makes") {
    graph.outputs[0] = graph.AddValue("loose", std::nullopt);
    CHECK(ErrorOf(graph) == "a graph output is made by no node");
  }
  SECTION("an output without a name") {
    graph.output_names.clear();
    CHECK(ErrorOf(graph) == "the graph has 1 outputs but 0 output names");
  }
}

TEST_CASE("nodes are as their operators declare", "[ir]") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"Nonsense(%x)",
       "node 'n' has operator 'Nonsense', which the runtime does not know"},
      {"Add(%x)", "Add 'n' has 1 inputs, expected 2"},
      {"Transpose(%x)",
       "Transpose 'n' lacks attribute 'perm', expected a list "
       "of ints"},
      {"Transpose(%x) perm=0",
       "Transpose 'n': attribute 'perm' is an int, expected a list of ints"},
      {"Add(%x, %x) axis=1",
       "Add 'n' has attribute 'axis', which the operator does not declare"},
  }));
  std::string line = "input %x: f32[1]\n%y = " + text + "\noutput %y\n";
  Graph graph = GraphOf(line);
  graph.node(0).name = "n";
  CHECK(ErrorOf(graph) == message);
}

}  // namespace
}  // namespace bittern::test
