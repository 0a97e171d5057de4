// Orders and names; what is wrong with a graph is tested in hostile_test.cc.
#include "converter/onnx/model_index.h"

#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using convert::ModelIndex;

TEST_CASE("a sorted file keeps its order, dead nodes go", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Output("y");
  model.Node("Neg", {"x"}, {"a"});
  model.Node("Abs", {"x"}, {"dead"});
  model.Node("Neg", {"x"}, {"b"});
  model.Node("Add", {"b", "a"}, {"y"});
  const auto index = ModelIndex::Make(model.graph());
  REQUIRE(index.ok());
  CHECK(index.value().order() == std::vector<int>{0, 2, 3});
  CHECK(index.value().NodeName(1) == "Abs_1");
}

TEST_CASE("an unsorted file is sorted", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Output("y").Floats("w", {1}, {1});
  model.Node("Add", {"a", "b"}, {"y"});
  model.Node("Neg", {"a"}, {"b"}).set_name("named");
  model.Node("Add", {"x", "w"}, {"a"});
  const auto index = ModelIndex::Make(model.graph());
  REQUIRE(index.ok());
  CHECK(index.value().order() == std::vector<int>{2, 1, 0});
  CHECK(index.value().NodeName(1) == "named");
  CHECK(index.value().Initializer("w") != nullptr);
  CHECK(index.value().Initializer("x") == nullptr);
}

}  // namespace
}  // namespace bittern::test
