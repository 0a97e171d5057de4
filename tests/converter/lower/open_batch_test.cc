// The batch opened again: sizes that hold it become -1, what meets it is
// repeated, and a graph that mixes its samples stays as it is.
#include "converter/lower/open_batch.h"

#include <catch2/catch.hpp>

#include "converter/ir/evaluate.h"
#include "converter/ir/parse.h"
#include "tests/converter/ir/run_graph.h"

namespace bittern::test {
namespace {

using convert::Graph;
using runtime::DType;
using runtime::Shape;

Graph Parsed(const char* text) {
  auto graph = convert::ParseGraph(text);
  REQUIRE(graph.ok());
  REQUIRE(convert::InferTypes(graph.value()).ok());
  return std::move(graph).value();
}

std::string NoteAfter(Graph& graph, const std::vector<bool>& open) {
  REQUIRE(convert::OpenBatch(graph, open).ok());
  REQUIRE(graph.notes.size() == 1);
  return graph.notes[0];
}

std::vector<float> Ramp(size_t count, float first) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = first + 0.25f * static_cast<float>(i);
  return values;
}

constexpr const char* kOpen = "the batch is open: any number of samples";

// A class token before the patches, positions, heads split and merged.
constexpr const char* kVit = R"(
input %x: f32[1,2,2,2]
const %token: f32[1,1,2] = {5.0, 6.0}
const %position: f32[1,5,2] = normal(seed=1)
const %rows: i64[3] = {1, 2, 4}
const %heads: i64[4] = {1, 5, 2, 1}
const %merged: i64[3] = {1, 5, 2}
%flat = Reshape(%x, %rows) name="flat"
%t = Transpose(%flat) perm=[0,2,1] name="t"
%c = Concat(%token, %t) axis=1 name="concat"
%p = Add(%c, %position) name="position"
%h = Reshape(%p, %heads) name="heads"
%ht = Transpose(%h) perm=[0,2,1,3] name="split"
%k = Transpose(%ht) perm=[0,1,3,2] name="k"
%s = MatMul(%ht, %k) name="scores"
%v = MatMul(%s, %ht) name="values"
%vt = Transpose(%v) perm=[0,2,1,3] name="merge"
%y = Reshape(%vt, %merged) name="merged"
output %y
)";

TEST_CASE("a batch goes through reshapes, transposes and a class token") {
  const Graph one = Parsed(kVit);
  Graph open = one;
  CHECK(NoteAfter(open, {true}) == kOpen);
  CHECK(open.value(open.inputs[0]).type->shape == Shape{-1, 2, 2, 2});
  CHECK(open.value(open.outputs[0]).type->shape == Shape{-1, 5, 2});
  for (const int64_t samples : {1, 2, 5}) {
    const auto count = static_cast<size_t>(samples);
    const auto got = RunGraph(
        open, {MakeArray(DType::kF32, {samples, 2, 2, 2}, Ramp(8 * count, 0))});
    REQUIRE(got.ok());
    REQUIRE(got.value()[0].type.shape == Shape{samples, 5, 2});
    for (size_t s = 0; s < count; ++s) {
      const auto alone =
          RunGraph(one, {MakeArray(DType::kF32, {1, 2, 2, 2},
                                   Ramp(8, 2.0f * static_cast<float>(s)))});
      REQUIRE(alone.ok());
      const auto expected = alone.value()[0].As<float>();
      const auto all = got.value()[0].As<float>();
      CHECK(std::equal(expected.begin(), expected.end(),
                       all.begin() + static_cast<ptrdiff_t>(s * 10)));
    }
  }
}

TEST_CASE("a batch behind another dimension") {
  Graph graph = Parsed(R"(
input %x: f32[1,4,6]
const %split: i64[4] = {1, 4, 3, 2}
const %one: i64[] = {1}
%h = Reshape(%x, %split) name="h"
%t = Transpose(%h) perm=[2,0,1,3] name="t"
%q = Gather(%t, %one) axis=0 name="q"
output %q
)");
  CHECK(NoteAfter(graph, {true}) == kOpen);
  CHECK(graph.value(graph.outputs[0]).type->shape == Shape{-1, 4, 2});
}

TEST_CASE("codes and two inputs, one of them closed") {
  Graph graph = Parsed(R"(
input %x: f32[1,3,8]
input %bias: f32[4]
const %w: bipolar[4,8] = pm1(seed=1)
const %scale: f32[4] = fill(0.5)
%c = Binarize(%x) name="sign"
%l = LowBitLinear(%c, %w, %scale) epilogue="f32" name="fc"
%y = Add(%l, %bias) name="bias"
output %y
)");
  CHECK(NoteAfter(graph, {true, false}) == kOpen);
  CHECK(graph.value(graph.inputs[1]).type->shape == Shape{4});
}

TEST_CASE("samples that are mixed keep a batch of one") {
  const auto reason = [](const char* text) {
    Graph graph = Parsed(text);
    const std::string note = NoteAfter(graph, {true});
    CHECK(graph.value(graph.inputs[0]).type->shape[0] == 1);
    return note;
  };
  CHECK(reason(R"(
input %x: f32[1,4]
%m = ReduceMax(%x) keepdims=1 name="largest"
%y = Div(%x, %m) name="y"
output %y
)") == "the batch is 1, not open: ReduceMax 'largest' does not keep the "
       "samples apart");
  CHECK(reason(R"(
input %x: f32[1,4]
%y = CumSum(%x) axis=0 name="sum"
output %y
)") == "the batch is 1, not open: output 'y' of a sample depends on the other "
       "samples of its batch");
  CHECK(reason(R"(
input %x: f32[1,2,4]
const %shape: i64[2] = {2, 4}
const %two: i64[] = {1}
%f = Reshape(%x, %shape) name="flat"
%y = Gather(%f, %two) axis=0 name="second"
output %y
)") == "the batch is 1, not open: Gather 'second' does not keep the samples "
       "apart");
}

TEST_CASE("a trial that would need much memory is not made") {
  Graph graph = Parsed(R"(
input %x: f32[1,134217728]
%y = Neg(%x) name="y"
output %y
)");
  CHECK(NoteAfter(graph, {true})
            .starts_with("the batch is 1, not open: memory for activations: "
                         "got a need of "));
}

TEST_CASE("nothing is open") {
  Graph graph =
      Parsed("input %x: f32[1,4]\n%y = Neg(%x) name=\"n\"\noutput %y\n");
  REQUIRE(convert::OpenBatch(graph, {false}).ok());
  CHECK(graph.notes.empty());
}

}  // namespace
}  // namespace bittern::test
