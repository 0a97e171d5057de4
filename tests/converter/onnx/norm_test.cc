// Normalisations, folded or composed.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

TEST_CASE("LayerNormalization over the last dimension stays one op", "[onnx]") {
  OnnxModel model(17);
  model.Input("x", {2, 2}).Output("y").Floats("g", {2}, {2, 2});
  model.Floats("b", {2}, {1, 1});
  SetFloat(model.Node("LayerNormalization", {"x", "g", "b"}, {"y"}), "epsilon",
           0);
  CHECK(model.Text().find("%y: f32[2,2] = LayerNorm(%x, %g, %b)") !=
        std::string::npos);
  CHECK(model.Run({FloatArray({2, 2}, {1, 3, 8, 4})})[0].As<float>() ==
        Values{-1, 3, 3, -1});
}

TEST_CASE("LayerNormalization over several dimensions", "[onnx]") {
  OnnxModel model(17);
  model.Input("x", {1, 2, 2}).Output("y").Output("mean").Output("inverse");
  model.Floats("g", {2, 2}, {1, 1, 1, 2});
  onnx::NodeProto& node =
      model.Node("LayerNormalization", {"x", "g"}, {"y", "mean", "inverse"});
  SetInt(node, "axis", 1);
  SetFloat(node, "epsilon", 0);
  const std::vector<Array> outputs =
      model.Run({FloatArray({1, 2, 2}, {1, 1, 3, 3})});
  CHECK(outputs[0].As<float>() == Values{-1, -1, 1, 2});
  CHECK(outputs[1].As<float>() == Values{2});
  CHECK(runtime::ToString(outputs[1].type) == "f32[1,1,1]");
  CHECK(outputs[2].As<float>() == Values{1});
}

TEST_CASE("LayerNormalization with a scale of another shape", "[onnx]") {
  OnnxModel model(17);
  model.Input("x", {2, 2}).Output("y").Floats("g", {1}, {2});
  model.Node("LayerNormalization", {"x", "g"}, {"y"});
  CHECK(model.ErrorText() ==
        "node 'LayerNormalization_0' (LayerNormalization): input 1 is [1], "
        "expected the normalised dimensions [2]");
}

// g = 2, b = 1, mean = 3, variance = 4: y = x - 2.
TEST_CASE("BatchNormalization is a factor and an offset", "[onnx]") {
  const auto build = [](const std::vector<int64_t>& dims, bool computed) {
    OnnxModel model(15);
    model.Input("x", dims).Output("y").Floats("g", {1}, {2});
    model.Floats("b", {1}, {1}).Floats("m", {1}, {3}).Floats("v", {1}, {-4});
    model.Floats("w", {1}, {4});
    if (computed) model.Node("Abs", {"v"}, {"variance"});
    onnx::NodeProto& node =
        model.Node("BatchNormalization",
                   {"x", "g", "b", "m", computed ? "variance" : "w"}, {"y"});
    SetFloat(node, "epsilon", 0);
    return model;
  };
  for (bool computed : {false, true}) {
    CHECK(build({1, 1, 2}, computed)
              .Run({FloatArray({1, 1, 2}, {5, 7})})[0]
              .As<float>() == Values{3, 5});
    CHECK(build({2, 1}, computed)
              .Run({FloatArray({2, 1}, {5, 7})})[0]
              .As<float>() == Values{3, 5});
  }
  CHECK(build({1, 1, 2}, false).Text().find("Sqrt") == std::string::npos);
}

TEST_CASE("BatchNormalization that cannot be", "[onnx]") {
  OnnxModel model(15);
  model.Input("x", {1, 2, 3}).Output("y").Floats("p", {1}, {1});
  onnx::NodeProto& node =
      model.Node("BatchNormalization", {"x", "p", "p", "p", "p"}, {"y"});
  CHECK(model.ErrorText().find("a parameter is f32[1], expected f32[2]") !=
        std::string::npos);
  SetInt(node, "training_mode", 1);
  CHECK(model.ErrorText().find("training_mode is 1") != std::string::npos);
}

TEST_CASE("InstanceNormalization normalises planes", "[onnx]") {
  OnnxModel model(15);
  model.Input("x", {1, 2, 2}).Output("y").Floats("g", {2}, {1, 10});
  model.Floats("b", {2}, {0, 5});
  SetFloat(model.Node("InstanceNormalization", {"x", "g", "b"}, {"y"}),
           "epsilon", 0);
  CHECK(model.Run({FloatArray({1, 2, 2}, {1, 3, 4, 8})})[0].As<float>() ==
        Values{-1, 1, -5, 15});
}

}  // namespace
}  // namespace bittern::test
