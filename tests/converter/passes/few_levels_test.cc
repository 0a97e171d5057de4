// Values of few levels, and parameters.
#include "converter/passes/few_levels.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

TEST_CASE("few levels go on through scales, shifts, clips and views") {
  Graph graph = test::GraphOf(
      "input %x: f32[2]\ninput %b: u8[2]\nconst %c: f32[] = {2.0}\n"
      "%sign = Sign(%x) name=\"s\"\n%mul = Mul(%x, %sign) name=\"m\"\n"
      "%add = Add(%c, %sign) name=\"a\"\n%div = Div(%add, %c) name=\"d\"\n"
      "%clip = Clip(%div) min=0.0 max=1.0 name=\"c\"\n"
      "%byte = Cast(%b) to=\"f32\" name=\"b\"\n"
      "%both = Sub(%byte, %sign) name=\"o\"\n"
      "%bits = Binarize(%x) name=\"i\"\n"
      "%codes = Dequantize(%bits) name=\"q\"\n"
      "%plain = Add(%x, %sign) name=\"p\"\n%relu = Relu(%x) name=\"r\"\n"
      "%under = Div(%c, %sign) name=\"u\"\n");
  REQUIRE(InferTypes(graph).ok());
  for (const char* name :
       {"sign", "mul", "add", "div", "clip", "byte", "both", "codes"}) {
    INFO(name);
    CHECK(HasFewLevels(graph, test::ValueNamed(graph, name)));
  }
  for (const char* name : {"x", "plain", "relu", "under", "c"}) {
    INFO(name);
    CHECK_FALSE(HasFewLevels(graph, test::ValueNamed(graph, name)));
  }
}

TEST_CASE("powers of codes are logarithmic") {
  Graph graph = test::GraphOf(
      "input %x: f32[2]\nconst %two: f32[] = {2.0}\n"
      "const %half: f32[2] = {0.5, 0.25}\n"
      "%r = Round(%x) name=\"r\"\n%n = Neg(%r) name=\"n\"\n"
      "%p = Pow(%two, %n) name=\"p\"\n%m = Mul(%half, %p) name=\"m\"\n"
      "%f = Pow(%two, %x) name=\"f\"\n%s = Pow(%n, %two) name=\"s\"\n");
  REQUIRE(InferTypes(graph).ok());
  for (const char* name : {"p", "m"}) {
    CHECK(IsLogarithmic(graph, test::ValueNamed(graph, name)));
  }
  for (const char* name : {"x", "n", "f", "s", "two"}) {
    CHECK_FALSE(IsLogarithmic(graph, test::ValueNamed(graph, name)));
  }
}

TEST_CASE("parameters come from constants alone") {
  const Graph graph = test::GraphOf(
      "input %x: f32[2]\nconst %c: f32[] = {2.0}\n"
      "%p = Neg(%c) name=\"p\"\n%q = Add(%p, %x) name=\"q\"\n");
  CHECK(IsParameter(graph, test::ValueNamed(graph, "c")));
  CHECK(IsParameter(graph, test::ValueNamed(graph, "p")));
  CHECK(IsParameter(graph, kNone));
  CHECK_FALSE(IsParameter(graph, test::ValueNamed(graph, "q")));
}

TEST_CASE("a graph of many paths is given up, not walked") {
  std::string text = "const %c0: f32[1] = {2.0}\n";
  for (int level = 0; level < 7; ++level) {
    text += "%c" + std::to_string(level + 1) + " = Concat(";
    for (int i = 0; i < 40; ++i) {
      text += (i == 0 ? "%c" : ", %c") + std::to_string(level);
    }
    text += ") axis=0 name=\"c\"\n";
  }
  const Graph graph = test::GraphOf(text);
  CHECK(IsParameter(graph, test::ValueNamed(graph, "c2")));
  CHECK_FALSE(IsParameter(graph, test::ValueNamed(graph, "c7")));
}

}  // namespace
}  // namespace bittern::convert
