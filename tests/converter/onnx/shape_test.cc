// Operators on shapes, in the forms of their opsets.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

// The type that `op` makes of an f32 input.
std::string TypeOf(OnnxModel& model, const std::vector<int64_t>& dims) {
  model.Input("x", dims).Output("y");
  const auto imported = model.Import();
  if (!imported.ok()) return imported.error().message;
  const convert::Graph& graph = imported.value().graph;
  return runtime::ToString(*graph.value(graph.outputs[0]).type);
}

TEST_CASE("Squeeze and Unsqueeze by attribute and by input", "[onnx]") {
  for (int64_t opset : {9, 11, 13, 21}) {
    INFO(opset);
    OnnxModel squeeze(opset);
    SetInts(squeeze.Node("Squeeze", {"x"}, {"y"}), "axes", {-2});
    CHECK(TypeOf(squeeze, {1, 1, 3}) == "f32[1,3]");
    OnnxModel squeeze_input(opset);
    squeeze_input.Ints("axes", {1}, {0}).Node("Squeeze", {"x", "axes"}, {"y"});
    CHECK(TypeOf(squeeze_input, {1, 1, 3}) == "f32[1,3]");
    OnnxModel unsqueeze(opset);
    SetInts(unsqueeze.Node("Unsqueeze", {"x"}, {"y"}), "axes", {3, 0});
    CHECK(TypeOf(unsqueeze, {2, 3}) == "f32[1,2,3,1]");
    OnnxModel unsqueeze_input(opset);
    unsqueeze_input.Ints("axes", {1}, {-1});
    unsqueeze_input.Node("Unsqueeze", {"x", "axes"}, {"y"});
    CHECK(TypeOf(unsqueeze_input, {2, 3}) == "f32[2,3,1]");
  }
  OnnxModel all;
  all.Node("Squeeze", {"x"}, {"y"});
  CHECK(TypeOf(all, {1, 4, 1, 3}) == "f32[4,3]");
}

TEST_CASE("Reshape keeps, infers and allows zeros", "[onnx]") {
  OnnxModel keep(13);
  keep.Ints("shape", {3}, {0, -1, 2}).Node("Reshape", {"x", "shape"}, {"y"});
  CHECK(TypeOf(keep, {3, 8}) == "f32[3,4,2]");
  OnnxModel zero(14);
  zero.Ints("shape", {2}, {0, 4});
  SetInt(zero.Node("Reshape", {"x", "shape"}, {"y"}), "allowzero", 1);
  CHECK(TypeOf(zero, {2, 4}).find("Reshape") != std::string::npos);
  OnnxModel mismatch;
  mismatch.Ints("shape", {1}, {7}).Node("Reshape", {"x", "shape"}, {"y"});
  CHECK(TypeOf(mismatch, {2, 4}).find("Reshape 'Reshape_0'") == 0);
}

TEST_CASE("Flatten at every axis", "[onnx]") {
  const auto flatten = [](int64_t axis) {
    OnnxModel model;
    SetInt(model.Node("Flatten", {"x"}, {"y"}), "axis", axis);
    return TypeOf(model, {2, 3, 4});
  };
  CHECK(flatten(0) == "f32[1,24]");
  CHECK(flatten(1) == "f32[2,12]");
  CHECK(flatten(3) == "f32[24,1]");
  CHECK(flatten(-1) == "f32[6,4]");
  CHECK(flatten(4) ==
        "node 'Flatten_0' (Flatten): axis is 4, expected -3 to 3");
}

TEST_CASE("Shape since opset 15 can start and end inside", "[onnx]") {
  const auto shape = [](int64_t start, int64_t end) {
    OnnxModel model(15);
    model.Input("x", {2, 3, 4}).Output("y");
    onnx::NodeProto& node = model.Node("Shape", {"x"}, {"y"});
    SetInt(node, "start", start);
    SetInt(node, "end", end);
    return model.Text();
  };
  CHECK(shape(1, 3).find("i64[2] = {3, 4}") != std::string::npos);
  CHECK(shape(-2, -1).find("i64[1] = {3}") != std::string::npos);
  CHECK(shape(2, 1).find("i64[0] = {}") != std::string::npos);
  CHECK(shape(INT64_MIN, INT64_MAX).find("i64[3] = {2, 3, 4}") !=
        std::string::npos);
}

TEST_CASE("Size, Expand and Tile", "[onnx]") {
  OnnxModel size;
  size.Input("x", {2, 3}).Output("y").Node("Size", {"x"}, {"y"});
  CHECK(size.Text().find("i64[] = {6}") != std::string::npos);
  OnnxModel expand;
  expand.Ints("shape", {3}, {2, 1, 3}).Node("Expand", {"x", "shape"}, {"y"});
  CHECK(TypeOf(expand, {4, 1}) == "f32[2,4,3]");
  OnnxModel tile;
  tile.Ints("repeats", {2}, {2, 3}).Node("Tile", {"x", "repeats"}, {"y"});
  CHECK(TypeOf(tile, {2, 1}) == "f32[4,3]");
}

TEST_CASE("Dropout is the identity outside training", "[onnx]") {
  OnnxModel model(12);
  model.Input("x", {2}).Output("y").Output("mask");
  model.Node("Dropout", {"x"}, {"y", "mask"});
  const std::vector<Array> outputs = model.Run({FloatArray({2}, {1, 2})});
  CHECK(outputs[0].As<float>() == std::vector<float>{1, 2});
  CHECK(outputs[1].As<uint8_t>() == std::vector<uint8_t>{1, 1});

  OnnxModel training(12);
  onnx::TensorProto on = IntTensor("on", {}, {});
  on.set_data_type(onnx::TensorProto::BOOL);
  on.add_int32_data(1);
  training.Initializer(on).Node("Dropout", {"x", "", "on"}, {"y"});
  CHECK(TypeOf(training, {2}) ==
        "node 'Dropout_0' (Dropout): training_mode is on or not a constant");
}

}  // namespace
}  // namespace bittern::test
