// Scales made at run time: what codes they can give, and integers by descent.
#include "converter/passes/dynamic_scale.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

using test::ValueNamed;

Graph Typed(const std::string& body) {
  Graph graph = test::GraphOf(
      "input %x: f32[2,3]\nconst %n: f32[] = {127.0}\n"
      "const %inverse: f32[] = {0.007874016}\nconst %eps: f32[] = {0.00001}\n"
      "%abs = Abs(%x) name=\"a\"\n%max = ReduceMax(%abs) axes=[-1] "
      "name=\"m\"\n" +
      body);
  REQUIRE(InferTypes(graph).ok());
  return graph;
}

std::optional<float> BoundIn(const std::string& body, bool multiply) {
  const Graph graph = Typed(body);
  return DynamicBound(graph, ValueNamed(graph, "x"), ValueNamed(graph, "s"),
                      multiply, kNone);
}

TEST_CASE("max|x| over n, in every spelling, gives codes up to n") {
  CHECK(BoundIn("%s = Div(%max, %n) name=\"s\"\n", false) == 127.0f);
  CHECK(BoundIn("%s = Mul(%inverse, %max) name=\"s\"\n", false) == 127.0f);
  CHECK(BoundIn("%s = Div(%n, %max) name=\"s\"\n", true) == 127.0f);
  CHECK(BoundIn("%r = Reciprocal(%max) name=\"r\"\n%s = Mul(%r, %n) "
                "name=\"s\"\n",
                true) == 127.0f);
}

TEST_CASE("a guard against 0 changes nothing") {
  CHECK(BoundIn("%g = Max(%max, %eps) name=\"g\"\n%s = Div(%n, %g) "
                "name=\"s\"\n",
                true) == 127.0f);
  CHECK(BoundIn("%g = Clip(%max) min=0.1 name=\"g\"\n%s = Div(%g, %n) "
                "name=\"s\"\n",
                false) == 127.0f);
  CHECK_FALSE(
      BoundIn("%g = Clip(%max) min=0.1 max=1.0 name=\"g\"\n%s = "
              "Div(%g, %n) name=\"s\"\n",
              false));
  // Adding to the inverse makes codes larger.
  CHECK_FALSE(
      BoundIn("%r = Reciprocal(%max) name=\"r\"\n%g = Add(%r, %eps) "
              "name=\"g\"\n%s = Mul(%g, %n) name=\"s\"\n",
              true));
}

TEST_CASE("other scales have no bound") {
  CHECK_FALSE(BoundIn("%s = Div(%n, %max) name=\"s\"\n", false));
  CHECK_FALSE(BoundIn("%s = Mul(%max, %n) name=\"s\"\n", false));
  CHECK_FALSE(
      BoundIn("%o = Abs(%n) name=\"o\"\n%s = Mul(%max, %abs) "
              "name=\"s\"\n",
              false));
  const Graph graph = Typed("%s = Div(%max, %n) name=\"s\"\n");
  const ValueId x = ValueNamed(graph, "x"), s = ValueNamed(graph, "s");
  CHECK_FALSE(DynamicBound(graph, x, s, false, ValueNamed(graph, "eps")));
  CHECK_FALSE(DynamicBound(graph, ValueNamed(graph, "abs"), s, false, kNone));
}

TEST_CASE("what is an integer by the way it is made") {
  const Graph graph = Typed(
      "%r = Round(%max) name=\"r\"\n%neg = Neg(%r) name=\"n\"\n"
      "%clip = Clip(%r) min=0.0 max=255.0 name=\"c\"\n"
      "%half = Clip(%r) min=0.5 max=255.0 name=\"h\"\n"
      "%u = Cast(%max) to=\"u8\" name=\"u\"\n"
      "%back = Cast(%u) to=\"f32\" name=\"b\"\n");
  for (const char* name : {"r", "neg", "clip", "back", "n"}) {
    CHECK(IsIntegral(graph, ValueNamed(graph, name)));
  }
  for (const char* name : {"max", "half", "x", "eps"}) {
    CHECK_FALSE(IsIntegral(graph, ValueNamed(graph, name)));
  }
}

TEST_CASE("the range of a value by the way it is made") {
  const Graph graph = Typed(
      "%clip = Clip(%max) min=0.0 max=200.0 name=\"c\"\n"
      "%r = Round(%clip) name=\"r\"\n%neg = Neg(%r) name=\"n\"\n"
      "%below = Clip(%max) max=100.0 name=\"h\"\n"
      "%u = Cast(%max) to=\"u8\" name=\"u\"\n"
      "%byte = Cast(%u) to=\"f32\" name=\"b\"\n"
      "%s = Cast(%max) to=\"s8\" name=\"s\"\n"
      "%back = Cast(%s) to=\"f32\" name=\"k\"\n");
  const auto within = [&graph](const char* name, float lo, float hi) {
    return IsWithin(graph, ValueNamed(graph, name), lo, hi);
  };
  for (const char* name : {"r", "clip", "byte", "n"}) {
    INFO(name);
    CHECK(within(name, 0, 255));
  }
  CHECK_FALSE(within("clip", 0, 199));
  CHECK_FALSE(within("n", 0, 15));
  CHECK(within("back", -128, 127));
  for (const char* name : {"neg", "below", "back", "max", "x"}) {
    INFO(name);
    CHECK_FALSE(within(name, 0, 255));
  }
}

}  // namespace
}  // namespace bittern::convert
