// What the text form looks like, and that it reads back to the same text.
#include "converter/ir/print.h"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/converter/ir/graph_of.h"

namespace bittern::test {
namespace {

using convert::Graph;
using convert::PrintGraph;

TEST_CASE("text reads back to the same text", "[ir]") {
  const std::string text =
      "input %x: f32[1,4]\n"
      "input %\"odd name:\\x0a\\\"\": i64[2]\n"
      "const %w: f32[2,2] = {1.0, -0.5, 1e-20, inf}\n"
      "const %none: f32[0] = {}\n"
      "const %scalar: i64[] = {-7}\n"
      "const %bytes: u8[3] = {0, 1, 255}\n"
      "const %signed: s8[2] = {-128, 127}\n"
      "const %flag: bool[1] = {1}\n"
      "const %narrow: i32[1] = {-3}\n"
      "const %packed: bipolar[2,3] = {1, -1, 1, -1, -1, -1}\n"
      "%y: f32[1,4], %z: f32[1] = Split(%x, %none, %scalar, %bytes, %signed, "
      "%flag, %narrow, %packed, %w) name=\"blocks.0/a \\\"b\\\"\" axis=1 "
      "f=0.1 fs=[1.0, -2.5] none=[] nothing=f[] s=\"t#x\" sizes=[3, 1]\n"
      "%c: sign[1,4]/2, _ = Binarize(%y, _, %z)\n"
      "%untyped = Neg(%c)\n"
      "output %untyped\n"
      "output %y as \"probabilities\"\n";
  CHECK(PrintGraph(GraphOf(text)) == text);
}

TEST_CASE("floats print so that they read back to the same bits", "[ir]") {
  for (float value : {0.1f, -0.0f, 1e38f, 1.4e-45f, 16777216.0f, 3.0f,
                      std::numeric_limits<float>::infinity()}) {
    Graph graph;
    const convert::ValueId id = graph.AddF32("c", {1}, {value});
    graph.outputs = {id};
    graph.output_names = {"c"};
    const Graph back = GraphOf(PrintGraph(graph));
    const float read = back.F32(ValueNamed(back, "c"))[0];
    CHECK(read == value);
    CHECK(std::signbit(read) == std::signbit(value));
  }
}

TEST_CASE("a big constant prints as a hash of its bytes", "[ir]") {
  const auto text_of = [](float last) {
    Graph graph;
    std::vector<float> values(100, 1.0f);
    values[99] = last;
    graph.outputs = {graph.AddF32("c", {100}, values)};
    graph.output_names = {"c"};
    return PrintGraph(graph);
  };
  CHECK(text_of(1).find("const %c: f32[100] = hash(") == 0);
  CHECK(text_of(1) == text_of(1));
  CHECK(text_of(1) != text_of(2));
}

TEST_CASE("constants that nobody reads are not printed", "[ir]") {
  const Graph graph = GraphOf(
      "input %x: f32[1]\nconst %c: f32[1] = {1.0}\n%y = Neg(%x)\noutput %y\n");
  CHECK(PrintGraph(graph) == "input %x: f32[1]\n%y = Neg(%x)\noutput %y\n");
}

}  // namespace
}  // namespace bittern::test
