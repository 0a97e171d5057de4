// Normalisations over groups, neighbours and mean squares; new activations;
// broadcasting of old opsets; shifts.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;

TEST_CASE("GroupNormalization with one scale for each group", "[onnx]") {
  OnnxModel model(18);
  model.Input("x", {1, 4, 1}).Floats("s", {2}, {1, 2}).Output("y");
  model.Floats("b", {2}, {0, 5});
  onnx::NodeProto& node =
      model.Node("GroupNormalization", {"x", "s", "b"}, {"y"});
  SetInt(node, "num_groups", 2);
  SetFloat(node, "epsilon", 0);
  CHECK(model.Run({FloatArray({1, 4, 1}, {1, 3, 0, 8})})[0].As<float>() ==
        Floats{-1, 1, 3, 7});
}

TEST_CASE("RMSNormalization divides by the root of the mean square", "[onnx]") {
  OnnxModel model(23);
  model.Input("x", {1, 2}).Floats("s", {2}, {1, 2}).Output("y");
  SetFloat(model.Node("RMSNormalization", {"x", "s"}, {"y"}), "epsilon", 0);
  CHECK(model.Run({FloatArray({1, 2}, {1, 7})})[0].As<float>() ==
        Floats{0.2f, 2.8f});
}

TEST_CASE("before opset 7 the axis of the second operand is said", "[onnx]") {
  OnnxModel model(6);
  model.Input("x", {2, 2}).Floats("b", {2}, {10, 20}).Output("y");
  onnx::NodeProto& node = model.Node("Add", {"x", "b"}, {"y"});
  SetInt(node, "broadcast", 1);
  SetInt(node, "axis", 0);
  CHECK(model.Run({FloatArray({2, 2}, {1, 2, 3, 4})})[0].As<float>() ==
        Floats{11, 12, 23, 24});
}

TEST_CASE("bits", "[onnx]") {
  OnnxModel model(18);
  model.Input("x", {2}, onnx::TensorProto::UINT8).Output("y").Output("z");
  SetString(model.Node("BitShift", {"x", "x"}, {"y"}), "direction", "LEFT");
  model.Node("BitwiseXor", {"x", "y"}, {"z"});
  const std::vector<Array> outputs =
      model.Run({MakeArray<uint8_t>(runtime::DType::kU8, {2}, {3, 7})});
  CHECK(outputs[0].As<uint8_t>() == std::vector<uint8_t>{24, 128});
  CHECK(outputs[1].As<uint8_t>() == std::vector<uint8_t>{27, 135});
}

}  // namespace
}  // namespace bittern::test
