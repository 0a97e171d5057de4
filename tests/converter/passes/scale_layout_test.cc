// How parameters are spread over a tensor.
#include "converter/passes/scale_layout.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

using test::ValueNamed;

Graph Example() {
  Graph graph = test::GraphOf(
      "input %x: f32[1,2,4]\ninput %image: f32[1,2,2,3]\n"
      "input %run: f32[]\ninput %rows: f32[1,2,1]\ninput %columns: f32[4]\n"
      "const %one: f32[] = {0.5}\nconst %equal: f32[4] = fill(0.25)\n"
      "const %column: f32[1,4] = {1.0, 2.0, 3.0, 4.0}\n"
      "const %token: f32[2,1] = {1.0, 2.0}\n"
      "const %each: f32[2,4] = {1, 2, 3, 4, 5, 6, 7, 8}\n"
      "const %channel: f32[2,1,1] = {1.0, 2.0}\n"
      "const %head: f32[2,1] = {1.0, 2.0}\n"
      "const %four: i64[4] = {1, 2, 2, 2}\n"
      "%heads = Reshape(%x, %four) name=\"heads\"\n");
  REQUIRE(InferTypes(graph).ok());
  return graph;
}

TEST_CASE("the axes that vary decide") {
  const Graph graph = Example();
  const auto per = [&graph](const char* x, std::vector<const char*> names) {
    std::vector<ValueId> ids = {kNone};
    for (const char* name : names) ids.push_back(ValueNamed(graph, name));
    const auto layout = FindScaleLayout(graph, ValueNamed(graph, x), ids);
    return layout ? layout->per : "none";
  };
  CHECK(per("x", {}) == "tensor");
  CHECK(per("x", {"one", "equal", "run"}) == "tensor");
  CHECK(per("x", {"one", "column"}) == "column");
  CHECK(per("x", {"token"}) == "row");
  CHECK(per("x", {"rows"}) == "row");
  CHECK(per("image", {"channel"}) == "row");
  CHECK(per("heads", {"head"}) == "column");
  CHECK(per("x", {"each"}) == "none");
  CHECK(per("x", {"column", "token"}) == "none");
  CHECK(per("x", {"column", "run"}) == "none");
  CHECK(per("x", {"columns"}) == "none");
  CHECK(per("x", {"channel"}) == "none");
}

TEST_CASE("values are repeated for rows, columns and heads") {
  const Graph graph = Example();
  const auto spread = [&graph](const char* x, const char* name) {
    const ValueId id = ValueNamed(graph, name);
    const auto layout = FindScaleLayout(graph, ValueNamed(graph, x), {id});
    REQUIRE(layout);
    return SpreadValues(graph, id, *layout, 0);
  };
  CHECK(spread("x", "equal") == std::vector<float>{0.25f});
  CHECK(spread("x", "column") == std::vector<float>{1, 2, 3, 4});
  CHECK(spread("x", "token") == std::vector<float>{1, 2});
  CHECK(spread("image", "channel") == std::vector<float>{1, 1, 2, 2});
  CHECK(spread("heads", "head") == std::vector<float>{1, 1, 2, 2});
  const auto layout =
      FindScaleLayout(graph, ValueNamed(graph, "heads"), {kNone});
  REQUIRE(layout);
  CHECK(layout->flattened);
  CHECK(SpreadValues(graph, kNone, *layout, 7) == std::vector<float>{7});
}

TEST_CASE("run-time values get the shape that ops want") {
  Graph graph = Example();
  const ValueId x = ValueNamed(graph, "x"), run = ValueNamed(graph, "run");
  const ValueId rows = ValueNamed(graph, "rows");
  const auto tensor = FindScaleLayout(graph, x, {run});
  const auto row = FindScaleLayout(graph, x, {rows, run});
  REQUIRE((tensor && row));
  CHECK(*StaticShape(graph, SpreadRunTime(graph, run, *tensor).value()) ==
        Shape{1});
  CHECK(SpreadRunTime(graph, rows, *row).value() == rows);
  CHECK(*StaticShape(graph, SpreadRunTime(graph, run, *row).value()) ==
        Shape{1, 2, 1});
}

}  // namespace
}  // namespace bittern::convert
