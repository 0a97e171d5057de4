// Editing, ordering and dead code of the converter's graph.
#include "converter/ir/graph.h"

#include <catch2/catch.hpp>

#include "converter/ir/print.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::test {
namespace {

using convert::Graph;
using convert::kNone;
using convert::NodeId;
using convert::ValueId;

constexpr const char* kChain = R"(
input %x: f32[2]
const %c: f32[2] = {1.0, 2.0}
%a: f32[2] = Add(%x, %c) name="first"
%b: f32[2] = Mul(%a, %a) name="second"
%unused: f32[2] = Neg(%a) name="third"
output %b
)";

TEST_CASE("names are unique and never empty", "[ir]") {
  Graph graph;
  const ValueId first = graph.AddValue("v", std::nullopt);
  const ValueId second = graph.AddValue("v", std::nullopt);
  const ValueId third = graph.AddValue("", std::nullopt);
  CHECK(graph.value(first).name == "v");
  CHECK(graph.value(second).name != "v");
  CHECK(!graph.value(third).name.empty());
  CHECK(graph.value(third).name != graph.value(second).name);
}

TEST_CASE("users and producers", "[ir]") {
  const Graph graph = GraphOf(kChain);
  const ValueId a = ValueNamed(graph, "a");
  const ValueId b = ValueNamed(graph, "b");
  CHECK(graph.Users(a) == std::vector<NodeId>{1, 2});
  CHECK(graph.UseCount(a) == 3);
  CHECK(graph.UseCount(b) == 1);
  CHECK(graph.Producer(a)->name == "first");
  CHECK(graph.Producer(ValueNamed(graph, "x")) == nullptr);
  CHECK(graph.Producer(kNone) == nullptr);
  CHECK(graph.F32(ValueNamed(graph, "c")) == std::vector<float>{1, 2});
  CHECK(graph.I64(ValueNamed(graph, "c")).empty());
  CHECK(graph.F32(a).empty());
}

TEST_CASE("replacing uses reaches nodes and outputs", "[ir]") {
  Graph graph = GraphOf(kChain);
  graph.ReplaceUses(ValueNamed(graph, "a"), ValueNamed(graph, "x"));
  graph.ReplaceUses(ValueNamed(graph, "b"), ValueNamed(graph, "a"));
  CHECK(graph.Users(ValueNamed(graph, "a")).empty());
  CHECK(graph.outputs[0] == ValueNamed(graph, "a"));
  CHECK(graph.output_names[0] == "b");
}

TEST_CASE("dead nodes, constants and tombstones go", "[ir]") {
  Graph graph = GraphOf(kChain);
  graph.RemoveDead();
  CHECK(graph.nodes().size() == 2);
  const ValueId a = ValueNamed(graph, "a");
  graph.ReplaceUses(a, ValueNamed(graph, "x"));
  graph.RemoveNode(graph.ProducerId(a));
  CHECK(graph.ProducerId(a) == kNone);
  graph.RemoveDead();
  CHECK(convert::PrintGraph(graph) ==
        "input %x: f32[2]\n"
        "%b: f32[2] = Mul(%x, %x) name=\"second\"\n"
        "output %b\n");
}

TEST_CASE("an unused graph input stays", "[ir]") {
  Graph graph =
      GraphOf("input %x: f32[1]\ninput %y: f32[1]\n%z = Neg(%x)\noutput %z\n");
  graph.RemoveDead();
  CHECK(graph.inputs.size() == 2);
  CHECK(graph.value(graph.inputs[1]).name == "y");
}

TEST_CASE("sorting puts a new node before its user", "[ir]") {
  Graph graph = GraphOf(kChain);
  const ValueId x = ValueNamed(graph, "x");
  const ValueId a = ValueNamed(graph, "a");
  const ValueId late = graph.Emit("Abs", "late", {x}, {}, "late", std::nullopt);
  graph.node(graph.ProducerId(a)).inputs[0] = late;
  REQUIRE(graph.Sort().ok());
  CHECK(graph.nodes()[0].name == "late");
  CHECK(graph.nodes()[1].name == "first");
  CHECK(graph.ProducerId(ValueNamed(graph, "b")) == 2);
}

TEST_CASE("sorting names a cycle", "[ir]") {
  Graph graph = GraphOf(kChain);
  const ValueId b = ValueNamed(graph, "b");
  graph.node(graph.ProducerId(ValueNamed(graph, "a"))).inputs[0] = b;
  const convert::Result<void> sorted = graph.Sort();
  REQUIRE(!sorted.ok());
  CHECK(sorted.error().message ==
        "the graph has a cycle through node 'first' (Add), expected none");
}

TEST_CASE("a chain too deep for recursion sorts", "[ir]") {
  Graph graph;
  ValueId last = graph.AddValue("x", std::nullopt);
  graph.inputs.push_back(last);
  for (int i = 0; i < 200000; ++i) {
    last = graph.Emit("Neg", "n", {last}, {}, "v", std::nullopt);
  }
  graph.outputs.push_back(last);
  graph.output_names.push_back("y");
  CHECK(graph.Sort().ok());
  graph.RemoveDead();
  CHECK(graph.nodes().size() == 200000);
}

}  // namespace
}  // namespace bittern::test
