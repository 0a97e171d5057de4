// Reading the text form: generated constants, and an error for each mistake.
#include "converter/ir/parse.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "tests/converter/ir/graph_of.h"

namespace bittern::test {
namespace {

using convert::Graph;

TEST_CASE("generated constants are reproducible", "[ir]") {
  const Graph graph = GraphOf(
      "const %n: f32[1000] = normal(seed=3, scale=0.5)  # a comment\n"
      "const %m: f32[1000] = normal(seed=3, scale=0.5)\n"
      "const %o: f32[1000] = normal(seed=4)\n"
      "const %p: f32[1000] = pm1(seed=3, scale=0.25)\n"
      "const %f: i64[2] = fill(7)\n");
  const std::vector<float> n = graph.F32(ValueNamed(graph, "n"));
  CHECK(n == graph.F32(ValueNamed(graph, "m")));
  double sum = 0;
  double squares = 0;
  for (float v : n) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  CHECK(std::abs(sum / 1000) < 0.1);
  CHECK(squares / 1000 == Approx(0.25).epsilon(0.2));
  CHECK(graph.F32(ValueNamed(graph, "o")) != n);
  const std::vector<float> p = graph.F32(ValueNamed(graph, "p"));
  CHECK(std::set<float>(p.begin(), p.end()) == std::set<float>{-0.25f, 0.25f});
  CHECK(graph.I64(ValueNamed(graph, "f")) == std::vector<int64_t>{7, 7});
}

TEST_CASE("mistakes are named with their line", "[ir]") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"input %x f32[1]", "line 1: found 'f32[1]', expected ':'"},
      {"\ninput %x: f16[1]",
       "line 2: found 'f16[1]', expected a type such as f32[1,4]"},
      {"input %x: f32[-2]", "line 1: found ']', expected a dimension"},
      {"const %c: f32[2] = {1.0}",
       "line 1: found '', expected 2 values, got 1"},
      {"const %c: f32[2] = hash(12)",
       "line 1: found 'hash(12)', expected {values}, normal(...), pm1(...) or "
       "fill(...)"},
      {"const %c: f32[99999999999] = fill(1)",
       "line 1: found ' fill(1)', expected a storable constant of at most "
       "2^26 elements"},
      {"%y = Neg(%x)",
       "line 1: found ')', expected a value made above, got %x"},
      {"input %x: f32[1]\n%x = Neg(%x)",
       "line 2: found ' = Neg(%x)', expected a new name, got x"},
      {"input %x: f32[1]\n%y = Neg(%x) axis", "line 2: found '', expected '='"},
      {"input %x: f32[1]\n%y = Neg(%x", "line 2: found '', expected ')'"},
      {"input %x: f32[1]\noutput %x y",
       "line 2: found 'y', expected the end of the line"},
      {"%y = Neg() s=\"open", "line 1: found '', expected a closing '\"'"},
  }));
  const convert::Result<Graph> graph = convert::ParseGraph(text);
  REQUIRE(!graph.ok());
  CHECK(graph.error().message == message);
}

}  // namespace
}  // namespace bittern::test
