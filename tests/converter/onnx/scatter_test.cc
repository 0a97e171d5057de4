// Gathers, scatters and orders by index.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

TEST_CASE("ArgMax and ArgMin, first and last, with and without the axis",
          "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Output("max").Output("min").Output("last");
  SetInt(model.Node("ArgMax", {"x"}, {"max"}), "axis", 1);
  onnx::NodeProto& min = model.Node("ArgMin", {"x"}, {"min"});
  SetInt(min, "keepdims", 0);
  onnx::NodeProto& last = model.Node("ArgMax", {"x"}, {"last"});
  SetInt(last, "axis", -1);
  SetInt(last, "select_last_index", 1);
  const std::vector<Array> outputs =
      model.Run({FloatArray({2, 3}, {4, 1, 4, 0, 2, 1})});
  CHECK(outputs[0].As<int64_t>() == Ints{0, 1});
  CHECK(outputs[0].type.shape == runtime::Shape{2, 1});
  CHECK(outputs[1].As<int64_t>() == Ints{1, 0, 1});
  CHECK(outputs[1].type.shape == runtime::Shape{3});
  CHECK(outputs[2].As<int64_t>() == Ints{2, 1});
}

TEST_CASE("TopK with k as an attribute and as an input", "[onnx]") {
  OnnxModel old(9);
  old.Input("x", {3}).Output("v").Output("i");
  SetInt(old.Node("TopK", {"x"}, {"v", "i"}), "k", 2);
  const Array x = FloatArray({3}, {1, 3, 2});
  CHECK(old.Run({x})[0].As<float>() == Floats{3, 2});
  OnnxModel model;
  model.Input("x", {3}).Ints("k", {1}, {1}).Output("v").Output("i");
  SetInt(model.Node("TopK", {"x", "k"}, {"v", "i"}), "largest", 0);
  CHECK(model.Run({x})[1].As<int64_t>() == Ints{0});
}

TEST_CASE("Hardmax before opset 13 takes all dimensions from the axis",
          "[onnx]") {
  for (const auto& [opset, expected] :
       {std::pair(11, Floats{0, 0, 0, 1}), std::pair(13, Floats{0, 1, 0, 1})}) {
    OnnxModel model(opset);
    model.Input("x", {1, 2, 2}).Output("y");
    SetInt(model.Node("Hardmax", {"x"}, {"y"}), "axis", opset == 11 ? 1 : 2);
    CHECK(model.Run({FloatArray({1, 2, 2}, {1, 2, 3, 4})})[0].As<float>() ==
          expected);
  }
}

TEST_CASE("a cache that is written from places of the run", "[onnx]") {
  OnnxModel model(24);
  model.Input("cache", {2, 3, 2}).Input("update", {2, 2, 2});
  model.Input("start", {2}, onnx::TensorProto::INT64).Output("y");
  onnx::NodeProto& node =
      model.Node("TensorScatter", {"cache", "update", "start"}, {"y"});
  const Array cache = FloatArray({2, 3, 2}, std::vector<float>(12, 0));
  const Array update = FloatArray({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(model.Run({cache, update, IntArray({2}, {1, 0})})[0].As<float>() ==
        std::vector<float>{0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0});
  SetString(node, "mode", "circular");
  CHECK(model.Run({cache, update, IntArray({2}, {2, 3})})[0].As<float>() ==
        std::vector<float>{3, 4, 0, 0, 1, 2, 5, 6, 7, 8, 0, 0});
  SetInt(node, "axis", 0);
  CHECK_THAT(model.ErrorText(),
             Catch::Contains("expected an update that is as large"));
}

}  // namespace
}  // namespace bittern::test
