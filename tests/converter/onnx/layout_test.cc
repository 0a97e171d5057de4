// Slices, splits and look-ups, in the forms of their opsets.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

TEST_CASE("Slice by attributes before opset 10", "[onnx]") {
  OnnxModel model(9);
  model.Input("x", {5}).Output("y");
  onnx::NodeProto& node = model.Node("Slice", {"x"}, {"y"});
  SetInts(node, "starts", {1});
  SetInts(node, "ends", {-1});
  CHECK(model.Run({FloatArray({5}, {0, 1, 2, 3, 4})})[0].As<float>() ==
        Values{1, 2, 3});
}

TEST_CASE("Slice by inputs since opset 10", "[onnx]") {
  OnnxModel model(10);
  model.Input("x", {5}).Output("y");
  model.Ints("starts", {1}, {-1}).Ints("ends", {1}, {INT64_MIN});
  model.Ints("axes", {1}, {0}).Ints("steps", {1}, {-2});
  model.Node("Slice", {"x", "starts", "ends", "axes", "steps"}, {"y"});
  CHECK(model.Run({FloatArray({5}, {0, 1, 2, 3, 4})})[0].As<float>() ==
        Values{4, 2, 0});
}

TEST_CASE("Slice whose lists disagree", "[onnx]") {
  OnnxModel model;
  model.Input("x", {5, 5}).Output("y");
  model.Ints("starts", {2}, {0, 0}).Ints("ends", {1}, {1});
  model.Node("Slice", {"x", "starts", "ends"}, {"y"});
  CHECK(model.ErrorText() ==
        "node 'Slice_0' (Slice): starts, ends, axes and steps have 2, 1, 2 and "
        "2 values, expected as many of each");
}

std::vector<Array> Split(OnnxModel& model) {
  model.Input("x", {7}).Output("a").Output("b").Output("c");
  return model.Run({FloatArray({7}, {0, 1, 2, 3, 4, 5, 6})});
}

TEST_CASE("Split by attribute, by input, by number of outputs", "[onnx]") {
  const std::vector<std::string> outputs = {"a", "b", "c"};
  OnnxModel attribute(11);
  SetInts(attribute.Node("Split", {"x"}, outputs), "split", {1, 2, 4});
  CHECK(Split(attribute)[1].As<float>() == Values{1, 2});
  OnnxModel input(13);
  input.Ints("sizes", {3}, {1, 2, 4}).Node("Split", {"x", "sizes"}, outputs);
  CHECK(Split(input)[2].As<float>() == Values{3, 4, 5, 6});
  OnnxModel number(18);
  SetInt(number.Node("Split", {"x"}, outputs), "num_outputs", 3);
  CHECK(Split(number)[2].As<float>() == Values{6});
  OnnxModel uneven(13);
  uneven.Node("Split", {"x"}, outputs);
  uneven.Input("x", {7}).Output("a").Output("b").Output("c");
  CHECK(uneven.ErrorText() ==
        "node 'Split_0' (Split): cannot split a dimension of 7 into 3 equal "
        "parts");
}

TEST_CASE("one unused output of a Split", "[onnx]") {
  OnnxModel model(13);
  model.Input("x", {4}).Output("b");
  model.Node("Split", {"x"}, {"", "b"});
  CHECK(model.Run({FloatArray({4}, {0, 1, 2, 3})})[0].As<float>() ==
        Values{2, 3});
}

TEST_CASE("Transpose without perm reverses", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3, 4}).Output("y");
  model.Node("Transpose", {"x"}, {"y"});
  CHECK(model.Text().find("perm=[2, 1, 0]") != std::string::npos);
}

TEST_CASE("Concat and Gather count axes from the front", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Output("y").Ints("two", {}, {2});
  SetInt(model.Node("Concat", {"x", "x"}, {"pair"}), "axis", -2);
  SetInt(model.Node("Gather", {"pair", "two"}, {"y"}), "axis", -1);
  CHECK(model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})})[0].As<float>() ==
        Values{3, 6, 3, 6});
}

TEST_CASE("DepthToSpace refuses block sizes that do not divide", "[onnx]") {
  OnnxModel model(13);
  model.Input("x", {1, 8, 2, 2}).Output("y");
  onnx::NodeProto& node = model.Node("DepthToSpace", {"x"}, {"y"});
  SetInt(node, "blocksize", INT64_MAX);
  CHECK(model.ErrorText().find("expected one whose square divides them") !=
        std::string::npos);
  node.mutable_attribute(0)->set_i(2);
  CHECK(model.Text().find("%y: f32[1,2,4,4] = Reshape") != std::string::npos);
}

TEST_CASE("Split by sizes that the run says", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Input("sizes", {2}, onnx::TensorProto::INT64);
  model.Output("a").Output("b");
  SetInt(model.Node("Split", {"x", "sizes"}, {"a", "b"}), "axis", 1);
  const Array x = FloatArray({2, 3}, {1, 2, 3, 4, 5, 6});
  const std::vector<Array> parts = model.Run({x, IntArray({2}, {1, 2})});
  CHECK(parts[0].As<float>() == Values{1, 4});
  CHECK(parts[1].As<float>() == Values{2, 3, 5, 6});
  CHECK(model.Run({x, IntArray({2}, {3, 0})})[0].As<float>() ==
        Values{1, 2, 3, 4, 5, 6});
}

}  // namespace
}  // namespace bittern::test
