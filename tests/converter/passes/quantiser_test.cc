// The quantiser around a Round: parts in all places, and what is none.
#include "converter/passes/quantiser.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

struct Found {
  Graph graph;
  std::optional<Quantiser> match;
  std::string reason;
  std::string NameOf(ValueId id) const {
    return id == kNone ? "-" : graph.value(id).name;
  }
};

Found MatchIn(const std::string& body) {
  Found found;
  found.graph = test::GraphOf(
      "input %x: f32[2,3]\nconst %a: f32[] = {0.5}\nconst %z: f32[] = {1.0}\n" +
      body + "output %y\n");
  REQUIRE(InferTypes(found.graph).ok());
  for (size_t i = 0; i < found.graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    if (found.graph.node(id).op != "Round") continue;
    found.match = MatchQuantiser(found.graph, id, &found.reason);
  }
  return found;
}

TEST_CASE("all parts, the zero point before the Round and subtracted") {
  const Found found = MatchIn(
      "%p = Relu(%x) name=\"p\"\n%d = Div(%p, %a) name=\"d\"\n"
      "%e = Sub(%d, %z) name=\"e\"\n%c = Clip(%e) min=-8.0 max=7.0 name=\"c\"\n"
      "%r = Round(%c) name=\"r\"\n%s = Add(%z, %r) name=\"s\"\n"
      "%y = Div(%s, %a) name=\"y\"\n");
  REQUIRE(found.match);
  const Quantiser& q = *found.match;
  CHECK(found.NameOf(q.input) == "x");
  CHECK(found.NameOf(q.scale) == "a");
  CHECK_FALSE(q.multiply);
  CHECK(found.NameOf(q.zero) == "z");
  CHECK(q.zero_negative);
  CHECK_FALSE(q.zero_after);
  CHECK(q.lo == -1);  // of 0 / 0.5 - 1
  CHECK(q.hi == 7);
  CHECK(found.NameOf(q.codes) == "r");
  REQUIRE(q.levels.size() == 1);
  CHECK(found.graph.node(q.levels[0].last).name == "y");
  CHECK(q.levels[0].adds);
  CHECK(q.levels[0].divides);
  CHECK(q.pattern == "A3+A6");
}

TEST_CASE("an Add behind the Round is a zero point only in front of a Clip") {
  const Found clipped = MatchIn(
      "%d = Mul(%x, %a) name=\"d\"\n%r = Round(%d) name=\"r\"\n"
      "%e = Add(%r, %z) name=\"e\"\n%y = Clip(%e) min=0.0 max=3.0 "
      "name=\"y\"\n");
  REQUIRE(clipped.match);
  CHECK(clipped.match->zero_after);
  CHECK(clipped.NameOf(clipped.match->codes) == "y");
  CHECK(clipped.match->levels.empty());
  CHECK(clipped.match->pattern == "A4");
  const Found shifted = MatchIn(
      "%c = Clip(%x) min=0.0 max=3.0 name=\"c\"\n%r = Round(%c) name=\"r\"\n"
      "%y = Add(%r, %z) name=\"y\"\n");
  REQUIRE(shifted.match);
  CHECK(shifted.NameOf(shifted.match->scale) == "-");
  CHECK(shifted.NameOf(shifted.match->zero) == "-");
  REQUIRE(shifted.match->levels.size() == 1);
  CHECK(shifted.NameOf(shifted.match->levels[0].zero) == "z");
}

TEST_CASE("a product of two activations is no scale") {
  const Found found = MatchIn(
      "%d = Mul(%x, %x) name=\"d\"\n%c = Clip(%d) min=0.0 max=3.0 "
      "name=\"c\"\n%y = Round(%c) name=\"y\"\n");
  REQUIRE(found.match);
  CHECK(found.NameOf(found.match->input) == "d");
}

TEST_CASE("a Cast to bytes saturates, so it is a Clip") {
  const Found found = MatchIn(
      "%d = Div(%x, %a) name=\"d\"\n%r = Round(%d) name=\"r\"\n"
      "%c = Clip(%r) min=-10.0 max=10.0 name=\"c\"\n"
      "%u = Cast(%c) to=\"u8\" name=\"u\"\n%y = Cast(%u) to=\"f32\" "
      "name=\"y\"\n");
  REQUIRE(found.match);
  CHECK(found.match->lo == 0);
  CHECK(found.match->hi == 10);
  CHECK(found.NameOf(found.match->codes) == "u");
  REQUIRE(found.match->levels.size() == 1);
  CHECK(found.match->pattern == "A1");
}

TEST_CASE("codes that are no integers make no quantiser") {
  CHECK_FALSE(MatchIn("%r = Round(%x) name=\"r\"\n"
                      "%y = Clip(%r) min=0.5 max=3.0 name=\"y\"\n")
                  .match);
}

TEST_CASE("without a range there is no quantiser") {
  const Found found =
      MatchIn("%d = Div(%x, %a) name=\"d\"\n%y = Round(%d) name=\"y\"\n");
  CHECK_FALSE(found.match);
  CHECK(found.reason.find("its range is not known") == 0);
}

}  // namespace
}  // namespace bittern::convert
