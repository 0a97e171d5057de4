// Reads and edits that passes share.
#include "converter/passes/edit.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"
#include "converter/ir/print.h"

namespace bittern::convert {
namespace {

Graph Parsed(const char* text) {
  Result<Graph> graph = ParseGraph(text);
  if (!graph.ok()) FAIL(graph.error().message);
  REQUIRE(InferTypes(graph.value()).ok());
  return std::move(graph).value();
}

constexpr const char* kGraph = R"(
input %x: f32[2,3]
const %one: f32[] = {1.0}
const %row: f32[3] = {1.0, 2.0, 3.0}
%a = Add(%one, %x) name="a"
%m = ReduceMean(%a) axes=[-1] keepdims=1 name="m"
%b = Mul(%a, %row) name="b"
output %b
output %m
)";

ValueId Find(const Graph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].name == name) return static_cast<ValueId>(i);
  }
  FAIL("no value " + name);
  return kNone;
}

TEST_CASE("users, producers and constant operands") {
  const Graph graph = Parsed(kGraph);
  const ValueId x = Find(graph, "x"), a = Find(graph, "a");
  const Node* add = ProducerIf(graph, a, "Add");
  REQUIRE(add != nullptr);
  CHECK(ProducerIf(graph, a, "Mul") == nullptr);
  CHECK(ProducerIf(graph, kNone, "Add") == nullptr);
  CHECK(OnlyUser(graph, x).has_value());
  CHECK_FALSE(OnlyUser(graph, a).has_value());                 // two readers
  CHECK_FALSE(OnlyUser(graph, Find(graph, "b")).has_value());  // an output
  CHECK(OnlyUserIf(graph, x, "Add").has_value());
  CHECK_FALSE(OnlyUserIf(graph, x, "Mul").has_value());
  CHECK(ConstantOperand(graph, *add) == Find(graph, "one"));
  CHECK(OtherInput(*add, x) == Find(graph, "one"));
  CHECK(ReducesLastAxis(graph,
                        *ProducerIf(graph, Find(graph, "m"), "ReduceMean")));
}

TEST_CASE("scalars, and constants along one axis") {
  const Graph graph = Parsed(kGraph);
  const ValueId one = Find(graph, "one"), row = Find(graph, "row");
  CHECK(IsScalar(graph, one, 1.0f));
  CHECK_FALSE(IsScalar(graph, one, 2.0f));
  CHECK_FALSE(ScalarOf(graph, row).has_value());
  CHECK(AlongAxis(graph, row, {2, 3}, 1) == std::vector<float>{1, 2, 3});
  CHECK(AlongAxis(graph, one, {2, 3}, 0) == std::vector<float>{1, 1});
  CHECK_FALSE(AlongAxis(graph, row, {3, 4}, 0).has_value());
  CHECK_FALSE(AlongAxis(graph, row, {2, 4}, 1).has_value());
}

TEST_CASE("a rewritten node keeps its output; a new one gets its type") {
  Graph graph = Parsed(kGraph);
  const ValueId b = Find(graph, "b");
  REQUIRE(
      Rewrite(graph, graph.ProducerId(b), "Relu", {Find(graph, "x")}, {}).ok());
  CHECK(graph.Producer(b)->op == "Relu");
  CHECK(graph.value(b).name == "b");
  const Result<ValueId> flat =
      EmitReshape(graph, "flat", Find(graph, "x"), {6}, "flat");
  REQUIRE(flat.ok());
  CHECK(graph.value(flat.value()).type->shape == Shape{6});
  // What the runtime's op refuses is an error that names the node.
  const Result<ValueId> wrong =
      EmitReshape(graph, "wrong", Find(graph, "x"), {5}, "wrong");
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().message.find("Reshape 'wrong'") != std::string::npos);
}

}  // namespace
}  // namespace bittern::convert
