// Types and values through the runtime's ops, and the graph as a runtime model.
#include "converter/ir/evaluate.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "tests/converter/ir/graph_of.h"
#include "tests/converter/ir/run_graph.h"

namespace bittern::test {
namespace {

using convert::ConstantData;
using convert::EvaluateNode;
using convert::Graph;
using convert::InferTypes;

std::vector<float> FloatsOf(const ConstantData& data, size_t count) {
  std::vector<float> values(count);
  std::memcpy(values.data(), data->data(), count * sizeof(float));
  return values;
}

TEST_CASE("types follow from the inputs", "[ir]") {
  Graph graph = GraphOf(R"(
input %x: f32[2,3]
const %w: f32[3,4] = fill(1.0)
%a = MatMul(%x, %w)
%b = Less(%a, %a)
%c, %d = Split(%a) axis=1 sizes=[1, 3]
output %b
)");
  REQUIRE(InferTypes(graph).ok());
  CHECK(runtime::ToString(*graph.value(ValueNamed(graph, "b")).type) ==
        "bool[2,4]");
  CHECK(runtime::ToString(*graph.value(ValueNamed(graph, "d")).type) ==
        "f32[2,3]");
}

TEST_CASE("a type error names the node", "[ir]") {
  Graph graph = GraphOf(R"(
input %x: f32[2,3]
%a = MatMul(%x, %x) name="product"
output %a
)");
  const convert::Result<void> result = InferTypes(graph);
  REQUIRE(!result.ok());
  CHECK(result.error().message.find("MatMul 'product': ") == 0);
}

TEST_CASE("nodes on constants compute", "[ir]") {
  const Graph graph = GraphOf(R"(
const %a: f32[2,2] = {1.0, 2.0, 3.0, 4.0}
const %b: f32[2] = {10.0, 20.0}
const %shape: i64[1] = {4}
const %none: f32[0,2] = {}
%sum = Add(%a, %b)
%product = MatMul(%a, %a)
%flat = Reshape(%a, %shape)
%empty = Neg(%none)
output %sum
)");
  const auto values = [&graph](int node) {
    convert::Result<std::vector<ConstantData>> result =
        EvaluateNode(graph, graph.nodes()[static_cast<size_t>(node)]);
    if (!result.ok()) FAIL(result.error().message);
    return result.value()[0];
  };
  CHECK(FloatsOf(values(0), 4) == std::vector<float>{11, 22, 13, 24});
  CHECK(FloatsOf(values(1), 4) == std::vector<float>{7, 10, 15, 22});
  CHECK(values(2) == graph.value(ValueNamed(graph, "a")).constant);
  CHECK(values(3) != nullptr);
}

TEST_CASE("what cannot be computed is said", "[ir]") {
  const Graph graph = GraphOf(R"(
input %x: f32[1]
const %c: f32[1] = {1.0}
const %shape: i64[2] = {65536, 65536}
%a = Neg(%x) name="dynamic"
%b = Expand(%c, %shape) name="huge"
output %a
)");
  const auto message = [&graph](size_t node) {
    const auto result = EvaluateNode(graph, graph.nodes()[node]);
    return result.ok() ? "" : result.error().message;
  };
  CHECK(message(0) ==
        "Neg 'dynamic': input 'x' is not a constant, so it cannot be computed "
        "now");
  CHECK(message(1) ==
        "Expand 'huge': computing it would make a constant f32[65536,65536] "
        "of 17179869184 bytes, expected at most 536870912");
}

TEST_CASE("the graph runs as a model", "[ir]") {
  Graph graph = GraphOf(R"(
input %x: f32[2]
const %c: f32[2] = {1.0, 2.0}
const %none: f32[0] = {}
%y = Add(%x, %c)
%joined = Concat(%y, %none) axis=0
output %y as "c"
output %x as "x"
output %y as "again"
output %c as "constant"
output %joined as "joined"
)");
  REQUIRE(InferTypes(graph).ok());
  const Array x = MakeArray<float>(runtime::DType::kF32, {2}, {5, 7});
  runtime::Result<std::vector<Array>> outputs = RunGraph(graph, {x});
  if (!outputs.ok()) FAIL(outputs.error().message);
  // An input keeps its name; the constant that was called c gives way.
  const std::vector<std::pair<std::string, std::vector<float>>> expected = {
      {"c", {6, 9}},
      {"x_", {5, 7}},
      {"again", {6, 9}},
      {"constant", {1, 2}},
      {"joined", {6, 9}}};
  REQUIRE(outputs.value().size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(outputs.value()[i].name == expected[i].first);
    CHECK(outputs.value()[i].As<float>() == expected[i].second);
  }
}

}  // namespace
}  // namespace bittern::test
