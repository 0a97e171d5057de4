// Pooling over windows and whole planes.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

TEST_CASE("one-dimensional pooling", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 4}).Output("max").Output("mean");
  SetInts(model.Node("MaxPool", {"x"}, {"max"}), "kernel_shape", {2});
  onnx::NodeProto& mean = model.Node("AveragePool", {"x"}, {"mean"});
  SetInts(mean, "kernel_shape", {2});
  SetInts(mean, "strides", {2});
  const std::vector<Array> outputs =
      model.Run({FloatArray({1, 1, 4}, {1, 4, 2, 8})});
  CHECK(outputs[0].As<float>() == Values{4, 4, 8});
  CHECK(outputs[1].As<float>() == Values{2.5f, 5});
}

TEST_CASE("padding counts in averages only if asked", "[onnx]") {
  const auto average = [](int64_t include) {
    OnnxModel model(11);
    model.Input("x", {1, 1, 1, 2}).Output("y");
    onnx::NodeProto& node = model.Node("AveragePool", {"x"}, {"y"});
    SetInts(node, "kernel_shape", {1, 2});
    SetInts(node, "pads", {0, 1, 0, 0});
    SetInt(node, "count_include_pad", include);
    return model.Run({FloatArray({1, 1, 1, 2}, {4, 6})})[0].As<float>();
  };
  CHECK(average(0) == Values{4, 5});
  CHECK(average(1) == Values{2, 5});
}

TEST_CASE("global pooling at every rank", "[onnx]") {
  for (const std::vector<int64_t>& dims :
       {std::vector<int64_t>{1, 1, 4}, {1, 1, 2, 2}, {1, 1, 1, 2, 2}}) {
    OnnxModel model(11);
    model.Input("x", dims).Output("mean").Output("max");
    model.Node("GlobalAveragePool", {"x"}, {"mean"});
    model.Node("GlobalMaxPool", {"x"}, {"max"});
    const std::vector<Array> outputs =
        model.Run({FloatArray(runtime::Shape(dims), {1, 2, 3, 6})});
    CHECK(outputs[0].As<float>() == Values{3});
    CHECK(outputs[1].As<float>() == Values{6});
    CHECK(outputs[0].type.shape.rank() == dims.size());
  }
}

// x = 0 3 1 / 7 2 8 / 4 6 5, as one image.
std::vector<Array> RunMaxPool(const std::vector<int64_t>& dilations,
                              int64_t order) {
  OnnxModel model(12);
  model.Input("x", {1, 1, 3, 3}).Output("y").Output("indices");
  onnx::NodeProto& node = model.Node("MaxPool", {"x"}, {"y", "indices"});
  SetInts(node, "kernel_shape", {2, 2});
  SetInts(node, "dilations", dilations);
  SetInt(node, "storage_order", order);
  return model.Run({FloatArray({1, 1, 3, 3}, {0, 3, 1, 7, 2, 8, 4, 6, 5})});
}

TEST_CASE("maxima with dilation and with their places", "[onnx]") {
  const std::vector<Array> dense = RunMaxPool({1, 1}, 0);
  CHECK(dense[0].As<float>() == Values{7, 8, 7, 8});
  CHECK(dense[1].As<int64_t>() == std::vector<int64_t>{3, 5, 3, 5});
  CHECK(RunMaxPool({1, 1}, 1)[1].As<int64_t>() ==
        std::vector<int64_t>{1, 7, 1, 7});
  const std::vector<Array> dilated = RunMaxPool({2, 2}, 0);
  CHECK(dilated[0].As<float>() == Values{5});
  CHECK(dilated[1].As<int64_t>() == std::vector<int64_t>{8});
}

TEST_CASE("the first of equal maxima wins, and bytes are pooled", "[onnx]") {
  OnnxModel model(12);
  model.Input("x", {1, 2, 2, 2}, onnx::TensorProto::UINT8);
  model.Output("y").Output("indices");
  onnx::NodeProto& node = model.Node("MaxPool", {"x"}, {"y", "indices"});
  SetInts(node, "kernel_shape", {2, 2});
  const std::vector<Array> outputs = model.Run({MakeArray<uint8_t>(
      runtime::DType::kU8, {1, 2, 2, 2}, {1, 9, 9, 9, 0, 0, 200, 200})});
  CHECK(outputs[0].As<uint8_t>() == std::vector<uint8_t>{9, 200});
  CHECK(outputs[1].As<int64_t>() == std::vector<int64_t>{1, 6});
}

TEST_CASE("three-dimensional pooling", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 2, 2, 2}).Output("max").Output("mean");
  SetInts(model.Node("MaxPool", {"x"}, {"max"}), "kernel_shape", {2, 1, 2});
  SetInts(model.Node("AveragePool", {"x"}, {"mean"}), "kernel_shape",
          {2, 2, 2});
  const std::vector<Array> outputs =
      model.Run({FloatArray({1, 1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 8, 7})});
  CHECK(outputs[0].As<float>() == Values{6, 8});
  CHECK(outputs[0].type.shape == runtime::Shape{1, 1, 1, 2, 1});
  CHECK(outputs[1].As<float>() == Values{4.5f});
}

TEST_CASE("MaxUnpool puts values back", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 1, 2}).Ints("i", {1, 1, 1, 2}, {2, 5}).Output("y");
  onnx::NodeProto& node = model.Node("MaxUnpool", {"x", "i"}, {"y"});
  SetInts(node, "kernel_shape", {2, 2});
  SetInts(node, "strides", {2, 2});
  CHECK(model.Run({FloatArray({1, 1, 1, 2}, {4, 6})})[0].As<float>() ==
        Values{0, 0, 4, 0, 0, 6, 0, 0});
}

TEST_CASE("norms of windows, dilated and past the end", "[onnx]") {
  OnnxModel model(22);
  model.Input("x", {1, 1, 4}).Output("y").Output("z");
  onnx::NodeProto& past = model.Node("LpPool", {"x"}, {"y"});
  SetInts(past, "kernel_shape", {3});
  SetInts(past, "strides", {2});
  SetInt(past, "p", 1);
  SetInt(past, "ceil_mode", 1);
  onnx::NodeProto& dilated = model.Node("LpPool", {"x"}, {"z"});
  SetInts(dilated, "kernel_shape", {2});
  SetInts(dilated, "dilations", {2});
  const auto outputs = model.Run({FloatArray({1, 1, 4}, {3, -1, 4, 1})});
  CHECK(outputs[0].As<float>() == Values{8, 5});
  CHECK(outputs[1].As<float>()[0] == Approx(5));
}

TEST_CASE("pooling that is not supported", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 4, 4}).Output("y");
  SECTION("a window beyond the input") {
    onnx::NodeProto& node = model.Node("MaxPool", {"x"}, {"y"});
    SetInts(node, "kernel_shape", {3, 3});
    SetInts(node, "dilations", {2, 2});
    CHECK(model.ErrorText().find("the window reaches over 5 of 4") !=
          std::string::npos);
  }
  SECTION("of a matrix") {
    model.Floats("m", {2, 2}, {1, 2, 3, 4});
    model.Node("GlobalMaxPool", {"m"}, {"y"});
    CHECK(model.ErrorText().find("expected 3 or more") != std::string::npos);
  }
}

}  // namespace
}  // namespace bittern::test
