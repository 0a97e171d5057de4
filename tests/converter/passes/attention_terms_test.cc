// Factors, biases and masks of scores.
#include "converter/passes/attention_terms.h"

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

TEST_CASE("a bias per head, a mask per batch entry") {
  const Graph graph = Parsed(R"(
input %q: f32[2,2,1,3]
input %k: f32[2,2,3,2]
const %scale: f32[1,2,1,1] = {0.5, 0.25}
const %bias: f32[2,1,2] = {1.0, 2.0, 3.0, 4.0}
const %mask: f32[2,1,1,2] = {5.0, 6.0, 7.0, 8.0}
%s = MatMul(%q, %k) name="s"
%a = Mul(%s, %scale) name="a"
%b = Add(%bias, %a) name="b"
%c = Add(%b, %mask) name="c"
%y = Softmax(%c) name="y"
output %y
)");
  const ScoreChain chain =
      FollowScores(graph, graph.Producer(graph.outputs[0])->inputs[0]);
  REQUIRE(chain.product != kNone);
  CHECK(graph.node(chain.product).op == "MatMul");
  const ScoreTerms terms = ReadTerms(graph, chain, 2);
  CHECK(terms.reason.empty());
  CHECK(terms.factor == std::vector<float>{0.5f, 0.25f});
  CHECK(terms.bias == std::vector<float>{1, 2, 3, 4});
  CHECK(terms.mask == std::vector<float>{5, 6, 7, 8});
  CHECK(terms.masks == 2);
}

TEST_CASE("what all heads and batch entries share is one mask") {
  const Graph graph = Parsed(R"(
input %q: f32[4,1,3]
input %k: f32[4,3,2]
const %mask: f32[1,2] = {5.0, 6.0}
const %scale: f32[] = {4.0}
%s = MatMul(%q, %k) name="s"
%a = Div(%s, %scale) name="a"
%b = Add(%a, %mask) name="b"
%y = Softmax(%b) name="y"
output %y
)");
  const ScoreTerms terms = ReadTerms(
      graph, FollowScores(graph, graph.Producer(graph.outputs[0])->inputs[0]),
      2);
  CHECK(terms.reason.empty());
  CHECK(terms.factor == std::vector<float>{0.25f, 0.25f});
  CHECK(terms.bias.empty());
  CHECK(terms.mask == std::vector<float>{5, 6});
  CHECK(terms.masks == 1);
}

TEST_CASE("scores that another node reads have no product") {
  const Graph graph = Parsed(R"(
input %q: f32[2,1,3]
input %k: f32[2,3,2]
%s = MatMul(%q, %k) name="s"
%y = Softmax(%s) name="y"
output %y
output %s
)");
  CHECK(FollowScores(graph, graph.outputs[1]).product == kNone);
}

TEST_CASE("factors by head may repeat along rows and columns") {
  const Graph graph = Parsed(R"(
input %x: f32[1]
const %rows: f32[1,2,3,1] = {1.0, 1.0, 1.0, 2.0, 2.0, 2.0}
const %columns: f32[2] = {1.0, 2.0}
output %x
)");
  const auto constant = [&graph](const std::string& name) {
    for (size_t i = 0; i < graph.values().size(); ++i) {
      if (graph.values()[i].name == name) return static_cast<ValueId>(i);
    }
    return kNone;
  };
  const Shape full{1, 2, 3, 2};
  CHECK(FactorByHead(graph, constant("rows"), full, 2) ==
        std::vector<float>{1, 2});
  CHECK_FALSE(FactorByHead(graph, constant("columns"), full, 2).has_value());
  CHECK_FALSE(FactorByHead(graph, constant("rows"), full, 1).has_value());
}

}  // namespace
}  // namespace bittern::convert
