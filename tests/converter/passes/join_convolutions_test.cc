// What the report says of convolutions that were joined.
#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/passes/passes.h"
#include "tests/converter/ir/graph_of.h"

namespace bittern::convert {
namespace {

constexpr const char* kPair = R"(
input %x: sign[1,3,3,2]
const %w: bipolar[2,2] = {1, -1, 1, 1}
const %v: bipolar[3,2] = {-1, -1, 1, -1, 1, 1}
const %s: f32[2] = {0.5, 0.25}
const %t: f32[3] = {1.5, 2.5, 0.5}
%c = LowBitConv(%x, %w, %s) kernel=[1, 1] epilogue="f32" name="one"
%d = LowBitConv(%x, %v, %t) kernel=[1, 1] epilogue="f32" name="two"
%y = Concat(%c, %d) axis=3 name="join"
output %y
)";

LayerRecord Record(const char* name, int64_t filters, double max_ulp) {
  LayerRecord record;
  record.name = name;
  record.weight_shape = {filters, 2};
  record.max_ulp = max_ulp;
  return record;
}

std::vector<LayerRecord> AfterJoin(std::vector<LayerRecord> layers) {
  Graph graph = test::GraphOf(kPair);
  REQUIRE(InferTypes(graph).ok());
  PassContext context;
  context.layers = std::move(layers);
  REQUIRE(JoinConvolutions(graph, context).ok());
  return context.layers;
}

TEST_CASE("one record for all, whatever the order of records") {
  const LayerRecord one = Record("one", 2, 0.5), two = Record("two", 3, 1.0),
                    other = Record("other", 7, 2.0);
  for (const auto& layers :
       {std::vector{one, other, two}, std::vector{other, two, one},
        std::vector{two, one, other}}) {
    const std::vector<LayerRecord> left = AfterJoin(layers);
    REQUIRE(left.size() == 2);
    const LayerRecord& joined = left[left[0].name == "other" ? 1 : 0];
    const LayerRecord& kept = left[left[0].name == "other" ? 0 : 1];
    CHECK(joined.name == "one + two");
    CHECK(joined.weight_shape == Shape{5, 2});
    CHECK(joined.max_ulp == 1.0);
    CHECK(kept.name == "other");
    CHECK(kept.weight_shape == Shape{7, 2});
    CHECK(kept.max_ulp == 2.0);
  }
}

TEST_CASE("a convolution without a record adds none") {
  const std::vector<LayerRecord> left = AfterJoin({Record("two", 3, 1.0)});
  REQUIRE(left.size() == 1);
  CHECK(left[0].name == "one + two");
  CHECK(left[0].weight_shape == Shape{3, 2});
  CHECK(AfterJoin({}).empty());
}

}  // namespace
}  // namespace bittern::convert
