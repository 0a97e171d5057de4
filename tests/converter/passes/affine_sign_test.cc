// The sign quantiser, complete, in parts, and next to what is no part of it.
#include "converter/passes/affine_sign.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"

namespace bittern::convert {
namespace {

struct Found {
  Graph graph;
  AffineSign match;
  std::string NameOf(ValueId id) const {
    return id == kNone ? "-" : graph.value(id).name;
  }
};

Found MatchIn(const std::string& body) {
  Result<Graph> graph = ParseGraph(
      "input %x: f32[2,3]\n"
      "const %a: f32[] = {0.5}\n"
      "const %z: f32[] = {1.0}\n" +
      body + "output %y\n");
  if (!graph.ok()) FAIL(graph.error().message);
  REQUIRE(InferTypes(graph.value()).ok());
  for (size_t i = 0; i < graph.value().nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.value().node(id).op != "Sign") continue;
    const AffineSign match = MatchAffineSign(graph.value(), id);
    return {std::move(graph).value(), match};
  }
  FAIL("no Sign");
  return {};
}

TEST_CASE("all parts are found") {
  const Found found = MatchIn(
      "%d = Div(%x, %a) name=\"d\"\n%e = Add(%z, %d) name=\"e\"\n"
      "%c = Clip(%e) min=-1.0 max=1.0 name=\"c\"\n%s = Sign(%c) name=\"s\"\n"
      "%t = Sub(%s, %z) name=\"t\"\n%y = Mul(%a, %t) name=\"y\"\n");
  CHECK(found.NameOf(found.match.input) == "x");
  CHECK(found.NameOf(found.match.a) == "a");
  CHECK(found.NameOf(found.match.z) == "z");
  CHECK(found.NameOf(found.match.level_a) == "a");
  CHECK(found.NameOf(found.match.level_z) == "z");
  CHECK(found.graph.node(found.match.last).name == "y");
}

TEST_CASE("a bare sign has no parts") {
  const Found found = MatchIn("%y = Sign(%x) name=\"y\"\n");
  CHECK(found.NameOf(found.match.input) == "x");
  CHECK_FALSE(found.match.affine());
  CHECK(found.match.level_a == kNone);
  CHECK(found.match.last == found.match.sign);
}

TEST_CASE("a constant divided by x, or minus the code, is no part") {
  const Found found = MatchIn(
      "%d = Div(%a, %x) name=\"d\"\n%s = Sign(%d) name=\"s\"\n"
      "%y = Sub(%z, %s) name=\"y\"\n");
  CHECK(found.NameOf(found.match.input) == "d");
  CHECK(found.match.a == kNone);
  CHECK(found.match.level_z == kNone);
}

TEST_CASE("zero points snap within 1e-5 and within reason") {
  CHECK(SnapToInteger(-0.999995f) == -1);
  CHECK(SnapToInteger(0.0f) == 0);
  CHECK_FALSE(SnapToInteger(0.5f).has_value());
  CHECK_FALSE(SnapToInteger(1e9f).has_value());
}

}  // namespace
}  // namespace bittern::convert
