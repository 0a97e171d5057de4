// Arithmetic by type: which run as they are, which are widened, which refused.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using onnx::TensorProto;
using runtime::DType;

TEST_CASE("narrow integers are computed in 64 bits", "[onnx]") {
  OnnxModel model;
  model.Input("a", {2}, TensorProto::UINT8).Output("sum").Output("largest");
  model.Node("Add", {"a", "a"}, {"sum"});
  model.Node("Max", {"a", "sum"}, {"largest"});
  const std::vector<Array> outputs =
      model.Run({MakeArray<uint8_t>(DType::kU8, {2}, {3, 100})});
  CHECK(outputs[0].As<uint8_t>() == std::vector<uint8_t>{6, 200});
  CHECK(outputs[1].As<uint8_t>() == std::vector<uint8_t>{6, 200});
}

TEST_CASE("32-bit arithmetic stays 32-bit", "[onnx]") {
  OnnxModel model;
  model.Input("a", {1}, TensorProto::INT32).Output("y");
  model.Node("Mul", {"a", "a"}, {"y"});
  CHECK(model.Text().find("%y: i32[1] = Mul(%a, %a)") != std::string::npos);
}

TEST_CASE("variadic operators of one to three inputs", "[onnx]") {
  OnnxModel model;
  model.Input("a", {2}).Floats("b", {2}, {2, 5}).Floats("c", {2}, {9, 0});
  model.Output("one").Output("sum").Output("min").Output("mean");
  model.Node("Max", {"a"}, {"one"});
  model.Node("Sum", {"a", "b", "c"}, {"sum"});
  model.Node("Min", {"a", "b", "c"}, {"min"});
  model.Node("Mean", {"a", "b", "c"}, {"mean"});
  const std::vector<Array> outputs = model.Run({FloatArray({2}, {1, 1})});
  CHECK(outputs[0].As<float>() == std::vector<float>{1, 1});
  CHECK(outputs[1].As<float>() == std::vector<float>{12, 6});
  CHECK(outputs[2].As<float>() == std::vector<float>{1, 0});
  CHECK(outputs[3].As<float>() == std::vector<float>{4, 2});
}

TEST_CASE("Pow takes an exponent of another type since opset 12", "[onnx]") {
  OnnxModel model(13);
  model.Input("a", {2}).Output("y").Ints("two", {}, {2});
  model.Node("Pow", {"a", "two"}, {"y"});
  CHECK(model.Run({FloatArray({2}, {3, -4})})[0].As<float>() ==
        std::vector<float>{9, 16});
}

TEST_CASE("Mod of integers, floored and truncated", "[onnx]") {
  OnnxModel model;
  model.Input("a", {2}, TensorProto::INT64).Ints("b", {}, {3});
  model.Output("floored").Output("truncated");
  model.Node("Mod", {"a", "b"}, {"floored"});
  SetInt(model.Node("Mod", {"a", "b"}, {"truncated"}), "fmod", 1);
  const std::vector<Array> outputs = model.Run({IntArray({2}, {-4, 4})});
  CHECK(outputs[0].As<int64_t>() == std::vector<int64_t>{2, 1});
  CHECK(outputs[1].As<int64_t>() == std::vector<int64_t>{-1, 1});
}

TEST_CASE("mixed types are refused", "[onnx]") {
  OnnxModel model;
  model.Input("a", {2}).Output("y").Ints("b", {2}, {1, 2});
  model.Node("Add", {"a", "b"}, {"y"}).set_name("n");
  CHECK(model.ErrorText() ==
        "node 'n' (Add): input 1 is i64[2], expected the type of input 0, "
        "f32[2]");
}

}  // namespace
}  // namespace bittern::test
