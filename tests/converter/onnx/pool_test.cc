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

TEST_CASE("pooling that is not supported", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 4, 4}).Output("y");
  SECTION("dilated") {
    onnx::NodeProto& node = model.Node("MaxPool", {"x"}, {"y"});
    SetInts(node, "kernel_shape", {2, 2});
    SetInts(node, "dilations", {2, 2});
    CHECK(model.ErrorText().find("dilations differ from 1") !=
          std::string::npos);
  }
  SECTION("indices") {
    onnx::NodeProto& node = model.Node("MaxPool", {"x"}, {"y", "indices"});
    SetInts(node, "kernel_shape", {2, 2});
    CHECK(model.ErrorText() ==
          "node 'MaxPool_0' (MaxPool): output 1 ('indices') is not supported, "
          "expected one output");
  }
  SECTION("of a matrix") {
    model.Floats("m", {2, 2}, {1, 2, 3, 4});
    model.Node("GlobalMaxPool", {"m"}, {"y"});
    CHECK(model.ErrorText().find("expected 3 or more") != std::string::npos);
  }
}

}  // namespace
}  // namespace bittern::test
