// Convolution of one and two spatial dimensions.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

TEST_CASE("a one-dimensional convolution", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 4}).Output("y").Floats("w", {1, 1, 3}, {1, 1, 1});
  model.Floats("b", {1}, {100});
  SetInts(model.Node("Conv", {"x", "w", "b"}, {"y"}), "pads", {1, 1});
  const Array y = model.Run({FloatArray({1, 1, 4}, {1, 2, 3, 4})})[0];
  CHECK(runtime::ToString(y.type) == "f32[1,1,4]");
  CHECK(y.As<float>() == Values{103, 106, 109, 107});
}

TEST_CASE("a strided convolution of patches", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 2, 4}).Output("y");
  model.Floats("w", {1, 1, 2, 2}, {1, 0, 0, 1});
  onnx::NodeProto& node = model.Node("Conv", {"x", "w"}, {"y"});
  SetInts(node, "strides", {2, 2});
  SetInts(node, "kernel_shape", {2, 2});
  CHECK(model.Run({FloatArray({1, 1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})})[0]
            .As<float>() == Values{7, 11});
}

TEST_CASE("convolutions that cannot be", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1, 1, 4, 4}).Output("y");
  SECTION("other rank") {
    model.Floats("w", {1, 1, 3}, {1, 1, 1}).Node("Conv", {"x", "w"}, {"y"});
    CHECK(model.ErrorText() ==
          "node 'Conv_0' (Conv): weight is [1,1,3] for an input [1,1,4,4], "
          "expected as many dimensions, 3 to 5");
  }
  SECTION("other kernel_shape") {
    model.Floats("w", {1, 1, 1, 1}, {1});
    SetInts(model.Node("Conv", {"x", "w"}, {"y"}), "kernel_shape", {3, 3});
    CHECK(model.ErrorText().find("differs from the shape of the weight") !=
          std::string::npos);
  }
  SECTION("an empty kernel") {
    model.Floats("w", {1, 1, 0, 1}, {}).Node("Conv", {"x", "w"}, {"y"});
    CHECK(model.ErrorText().find("the kernel has size 0") != std::string::npos);
  }
  SECTION("a kernel of absurd size without elements") {
    model.Floats("w", {0, 1, int64_t{1} << 40, 1}, {});
    model.Node("Conv", {"x", "w"}, {"y"});
    CHECK(model.ErrorText().find("the kernel has size 1099511627776") !=
          std::string::npos);
  }
}

}  // namespace
}  // namespace bittern::test
