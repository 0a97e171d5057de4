// Equal numbers for equal computations, whatever they are called.
#include "converter/passes/value_numbers.h"

#include <catch2/catch.hpp>

#include "converter/ir/parse.h"

namespace bittern::convert {
namespace {

TEST_CASE("values are the same if operation, attributes and inputs are") {
  const Result<Graph> graph = ParseGraph(R"(
input %x: f32[2]
input %y: f32[2]
const %one: f32[] = {1.0}
const %eins: f32[] = {1.0}
const %two: f32[] = {2.0}
%a: f32[2] = Clip(%x) min=-1.0 max=1.0 name="a"
%b: f32[2] = Clip(%x) min=-1.0 max=1.0 name="b"
%c: f32[2] = Clip(%x) min=-1.0 max=2.0 name="c"
%d: f32[2] = Clip(%y) min=-1.0 max=1.0 name="d"
%e: f32[2] = Add(%a, %one) name="e"
%f: f32[2] = Add(%b, %eins) name="f"
%g: f32[2] = Add(%b, %two) name="g"
%h: f32[2] = Add(%one, %a) name="h"
output %e
)");
  if (!graph.ok()) FAIL(graph.error().message);
  const ValueNumbers same(graph.value());
  const auto id = [&](const std::string& name) {
    for (size_t i = 0; i < graph.value().values().size(); ++i) {
      if (graph.value().values()[i].name == name) {
        return static_cast<ValueId>(i);
      }
    }
    return kNone;
  };
  CHECK(same.Same(id("a"), id("b")));
  CHECK(same.Same(id("one"), id("eins")));
  CHECK(same.Same(id("e"), id("f")));
  CHECK_FALSE(same.Same(id("a"), id("c")));
  CHECK_FALSE(same.Same(id("a"), id("d")));
  CHECK_FALSE(same.Same(id("f"), id("g")));
  CHECK_FALSE(same.Same(id("e"), id("h")));  // order of operands counts
  CHECK_FALSE(same.Same(id("x"), id("y")));
  CHECK_FALSE(same.Same(kNone, kNone));
  CHECK_FALSE(same.Same(id("a"), 1000));  // a value added later
}

}  // namespace
}  // namespace bittern::convert
