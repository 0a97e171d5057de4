// Transposed and three-dimensional convolutions.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;

TEST_CASE("strides, pads and added outputs", "[onnx]") {
  const auto run = [](const std::vector<int64_t>& pads, int64_t added) {
    OnnxModel model(11);
    model.Input("x", {1, 1, 2}).Floats("w", {1, 1, 3}, {1, 2, 3}).Output("y");
    onnx::NodeProto& node = model.Node("ConvTranspose", {"x", "w"}, {"y"});
    SetInts(node, "strides", {2});
    SetInts(node, "pads", pads);
    SetInts(node, "output_padding", {added});
    return model.Run({FloatArray({1, 1, 2}, {1, 10})})[0].As<float>();
  };
  CHECK(run({0, 0}, 0) == Floats{1, 2, 13, 20, 30});
  CHECK(run({1, 0}, 1) == Floats{2, 13, 20, 30, 0});
  CHECK(run({0, 3}, 0) == Floats{1, 2});
}

TEST_CASE("groups keep apart", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 2, 1, 1}).Floats("w", {2, 1, 1, 2}, {1, 2, 3, 4});
  model.Output("y");
  SetInt(model.Node("ConvTranspose", {"x", "w"}, {"y"}), "group", 2);
  CHECK(model.Run({FloatArray({1, 2, 1, 1}, {1, 10})})[0].As<float>() ==
        Floats{1, 2, 30, 40});
}

TEST_CASE("convolution in depth", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 3, 1, 1}).Floats("w", {1, 1, 2, 1, 1}, {1, 10});
  model.Floats("b", {1}, {0.5f}).Output("y");
  onnx::NodeProto& node = model.Node("Conv", {"x", "w", "b"}, {"y"});
  SetInts(node, "pads", {1, 0, 0, 0, 0, 0});
  CHECK(model.Run({FloatArray({1, 1, 3, 1, 1}, {1, 2, 3})})[0].As<float>() ==
        Floats{10.5f, 21.5f, 32.5f});
}

}  // namespace
}  // namespace bittern::test
