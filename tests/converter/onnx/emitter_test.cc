// What is computed while importing, what stays, and how much may be computed.
#include "converter/onnx/emitter.h"

#include <catch2/catch.hpp>

#include "tests/converter/ir/graph_of.h"

namespace bittern::test {
namespace {

using convert::Emitter;
using convert::Graph;
using convert::ValueId;

ValueId EmitOne(Emitter& emitter, const std::string& op,
                const std::vector<ValueId>& inputs,
                convert::AttributeMap attributes = {}) {
  const auto outputs =
      emitter.Emit(op, "node", inputs, std::move(attributes), {"out"});
  if (!outputs.ok()) FAIL(outputs.error().message);
  return outputs.value()[0];
}

TEST_CASE("integers fold, floats stay", "[onnx]") {
  Graph graph;
  Emitter emitter(graph);
  const ValueId ints = graph.AddI64("i", {2}, {1, 2});
  const ValueId floats = graph.AddF32("f", {2}, {1, 2});
  CHECK(graph.I64(EmitOne(emitter, "Add", {ints, ints})) ==
        std::vector<int64_t>{2, 4});
  CHECK(graph.F32(EmitOne(emitter, "Cast", {ints}, {{"to", "f32"}})) ==
        std::vector<float>{1, 2});
  CHECK(graph.IsConstant(EmitOne(emitter, "Less", {floats, floats})));
  CHECK(!graph.IsConstant(EmitOne(emitter, "Add", {floats, floats})));
  CHECK(!graph.IsConstant(EmitOne(emitter, "Sign", {floats})));
}

TEST_CASE("chains of constants are computed on demand", "[onnx]") {
  Graph graph;
  Emitter emitter(graph);
  const ValueId x = graph.AddValue("x", convert::TensorType{});
  graph.inputs.push_back(x);
  ValueId chain = graph.AddF32("f", {1}, {2});
  for (int i = 0; i < 3; ++i) chain = EmitOne(emitter, "Mul", {chain, chain});
  const ValueId mixed = EmitOne(emitter, "Add", {chain, x});
  CHECK(!emitter.Materialise(mixed).value());
  CHECK(!emitter.Materialise(x).value());
  CHECK(!emitter.Materialise(convert::kNone).value());
  CHECK(emitter.Materialise(chain).value());
  CHECK(graph.F32(chain) == std::vector<float>{256});
}

TEST_CASE("folding stops at its budget", "[onnx]") {
  Graph graph;
  Emitter emitter(graph);
  const ValueId one = graph.AddI64("one", {1}, {1});
  const ValueId shape = graph.AddI64("shape", {1}, {int64_t{1} << 25});
  size_t folded = 0;
  ValueId last = one;
  for (int i = 0; i < 4; ++i) {
    last = EmitOne(emitter, "Expand", {one, shape});
    folded += graph.IsConstant(last) ? 1 : 0;
  }
  CHECK(folded == convert::kMaxFoldedBytes / (size_t{8} << 25));
  const auto materialised = emitter.Materialise(last);
  REQUIRE(!materialised.ok());
  CHECK(materialised.error().message.find("bytes of constants in all") !=
        std::string::npos);
}

TEST_CASE("values that are too large are refused", "[onnx]") {
  const convert::TensorType type = {
      runtime::DType::kF32, {int64_t{1} << 31}, {}};
  CHECK(convert::CheckValueSize(type, "this").error().message ==
        "this would have type f32[2147483648] of 8589934592 bytes, expected at "
        "most 4294967296");
}

}  // namespace
}  // namespace bittern::test
