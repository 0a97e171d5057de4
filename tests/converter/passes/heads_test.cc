// Attention heads as views of the projection.
#include "converter/passes/heads.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

TEST_CASE("heads are seen through LayerNorms, other shapes have none") {
  Graph graph = test::GraphOf(
      "input %x: f32[1,3,8]\nconst %g: f32[4] = fill(1)\n"
      "const %four: i64[4] = {1, 3, 2, 4}\nconst %other: i64[4] = {1, 2, 3, "
      "4}\n"
      "%view = Reshape(%x, %four) name=\"v\"\n"
      "%norm = LayerNorm(%view, %g) epsilon=1e-05 name=\"n\"\n"
      "%moved = Transpose(%view) perm=[0, 2, 1, 3] name=\"t\"\n"
      "%cut = Reshape(%x, %other) name=\"o\"\n");
  REQUIRE(InferTypes(graph).ok());
  for (const char* name : {"view", "norm"}) {
    const HeadLayout layout = LayoutOf(graph, test::ValueNamed(graph, name));
    CHECK(layout.heads == 2);
    CHECK(layout.group == 4);
    CHECK(layout.flat == Shape{1, 3, 8});
  }
  for (const char* name : {"x", "moved", "cut"}) {
    const ValueId id = test::ValueNamed(graph, name);
    const HeadLayout layout = LayoutOf(graph, id);
    CHECK(layout.group == 0);
    CHECK(layout.flat == *StaticShape(graph, id));
  }
}

}  // namespace
}  // namespace bittern::convert
