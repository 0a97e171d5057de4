// Padding in three modes and two spellings, and pads that are negative.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

Values Pad(OnnxModel& model) {
  model.Input("x", {2, 3}).Output("y");
  return model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})})[0].As<float>();
}

TEST_CASE("Pad by attributes before opset 11", "[onnx]") {
  OnnxModel model(10);
  onnx::NodeProto& node = model.Node("Pad", {"x"}, {"y"});
  SetInts(node, "pads", {0, 1, 0, 0});
  SetFloat(node, "value", 9);
  CHECK(Pad(model) == Values{9, 1, 2, 3, 9, 4, 5, 6});
}

TEST_CASE("Pad by inputs, with axes since opset 18", "[onnx]") {
  OnnxModel model(18);
  model.Ints("pads", {2}, {0, 1}).Floats("value", {}, {9});
  model.Ints("axes", {1}, {-1});
  model.Node("Pad", {"x", "pads", "value", "axes"}, {"y"});
  CHECK(Pad(model) == Values{1, 2, 3, 9, 4, 5, 6, 9});
}

Values PadRow(const std::string& mode, int64_t before, int64_t after) {
  OnnxModel model(13);
  model.Ints("pads", {4}, {0, before, 0, after});
  SetString(model.Node("Pad", {"x", "pads"}, {"y"}), "mode", mode);
  return Pad(model);
}

TEST_CASE("Pad by the edge and by reflection", "[onnx]") {
  CHECK(PadRow("edge", 2, 1) == Values{1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6});
  CHECK(PadRow("reflect", 2, 2) ==
        Values{3, 2, 1, 2, 3, 2, 1, 6, 5, 4, 5, 6, 5, 4});
  CHECK(PadRow("reflect", 0, 1) == Values{1, 2, 3, 2, 4, 5, 6, 5});
}

TEST_CASE("negative pads cut", "[onnx]") {
  CHECK(PadRow("constant", -1, 1) == Values{2, 3, 0, 5, 6, 0});
  CHECK(PadRow("constant", 0, -2) == Values{1, 4});
}

TEST_CASE("pads that cannot be", "[onnx]") {
  const auto error = [](const std::vector<int64_t>& pads,
                        const std::string& mode) {
    OnnxModel model(13);
    model.Input("x", {2, 3}).Output("y");
    model.Ints("pads", {static_cast<int64_t>(pads.size())}, pads);
    SetString(model.Node("Pad", {"x", "pads"}, {"y"}), "mode", mode);
    return model.ErrorText();
  };
  CHECK(error({1, 1}, "constant") ==
        "node 'Pad_0' (Pad): pads has 2 values, expected 4");
  CHECK(error({0, 0, 0, INT64_MAX}, "constant").find("expected at most") !=
        std::string::npos);
  CHECK(error({0, 3, 0, 0}, "reflect") ==
        "node 'Pad_0' (Pad): cannot reflect 3 elements of a dimension of 3");
  CHECK(error({0, 4, 0, 0}, "wrap") ==
        "node 'Pad_0' (Pad): wraps 4 elements of a dimension of 3, expected at "
        "most 3");
  CHECK(error({0, 3, 0, 0}, "spiral").find("mode is 'spiral'") !=
        std::string::npos);
}

TEST_CASE("wrapping goes on from the other end", "[onnx]") {
  OnnxModel model(19);
  model.Input("x", {2, 3}).Output("y").Ints("pads", {4}, {0, 1, 1, 3});
  SetString(model.Node("Pad", {"x", "pads"}, {"y"}), "mode", "wrap");
  const Array y = model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})})[0];
  CHECK(y.type.shape == runtime::Shape{3, 7});
  CHECK(y.As<float>() == std::vector<float>{3, 1, 2, 3, 1, 2, 3,  //
                                            6, 4, 5, 6, 4, 5, 6,  //
                                            3, 1, 2, 3, 1, 2, 3});
}

TEST_CASE("CenterCropPad crops one axis and pads another", "[onnx]") {
  OnnxModel model(18);
  model.Input("x", {2, 5}).Output("y").Ints("shape", {2}, {5, 2});
  model.Node("CenterCropPad", {"x", "shape"}, {"y"});
  const Array y =
      model.Run({FloatArray({2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})})[0];
  CHECK(y.type.shape == runtime::Shape{5, 2});
  CHECK(y.As<float>() == std::vector<float>{0, 0, 2, 3, 7, 8, 0, 0, 0, 0});
  OnnxModel huge(18);
  huge.Input("x", {2, 5}).Output("y").Ints("shape", {2}, {2, INT64_MAX});
  huge.Node("CenterCropPad", {"x", "shape"}, {"y"});
  CHECK(huge.ErrorText().find("expected 0 to") != std::string::npos);
}

TEST_CASE("pads and values that the run says", "[onnx]") {
  const auto run = [](const std::string& mode,
                      const std::vector<int64_t>& pads) {
    OnnxModel model(18);
    model.Input("x", {2, 3}).Input("pads", {2}, onnx::TensorProto::INT64);
    model.Input("value", {}).Ints("axes", {1}, {-1}).Output("y");
    SetString(model.Node("Pad", {"x", "pads", "value", "axes"}, {"y"}), "mode",
              mode);
    const Array x = FloatArray({2, 3}, {1, 2, 3, 4, 5, 6});
    return model.Run({x, IntArray({2}, pads), FloatArray({}, {9})})[0]
        .As<float>();
  };
  CHECK(run("constant", {1, 2}) == Values{9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9, 9});
  CHECK(run("constant", {-1, 1}) == Values{2, 3, 9, 5, 6, 9});
  CHECK(run("constant", {-1, -2}).empty());
  CHECK(run("edge", {2, 1}) == PadRow("edge", 2, 1));
  CHECK(run("reflect", {2, 2}) == PadRow("reflect", 2, 2));
  CHECK(run("reflect", {0, -1}) == Values{1, 2, 4, 5});
  CHECK(run("wrap", {1, 1}) == Values{3, 1, 2, 3, 1, 6, 4, 5, 6, 4});
  OnnxModel model(18);
  model.Input("x", {2, 3}).Input("pads", {3}, onnx::TensorProto::INT64);
  model.Output("y").Node("Pad", {"x", "pads"}, {"y"});
  CHECK(model.ErrorText() == "node 'Pad_0' (Pad): pads are [3], expected [4]");
}

}  // namespace
}  // namespace bittern::test
