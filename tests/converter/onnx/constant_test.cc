// Constants in all their forms, and operators that make them.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

// The only constant of a model whose output it is.
std::string ConstantText(OnnxModel& model) {
  model.Output("y");
  const std::string text = model.Text();
  return text.substr(0, text.find('\n'));
}

TEST_CASE("every value of Constant", "[onnx]") {
  const auto constant = [](auto set) {
    OnnxModel model;
    set(model.Node("Constant", {}, {"y"}));
    return ConstantText(model);
  };
  CHECK(constant([](onnx::NodeProto& n) {
          SetTensor(n, "value", FloatTensor("", {1, 2}, {1, 2}));
        }) == "const %y: f32[1,2] = {1.0, 2.0}");
  CHECK(constant([](onnx::NodeProto& n) { SetFloat(n, "value_float", 3); }) ==
        "const %y: f32[] = {3.0}");
  CHECK(constant([](onnx::NodeProto& n) { SetInt(n, "value_int", 4); }) ==
        "const %y: i64[] = {4}");
  CHECK(constant([](onnx::NodeProto& n) {
          SetFloats(n, "value_floats", {1, 2});
        }) == "const %y: f32[2] = {1.0, 2.0}");
  CHECK(constant([](onnx::NodeProto& n) { SetInts(n, "value_ints", {}); }) ==
        "const %y: i64[0] = {}");
}

TEST_CASE("constants that are no numbers", "[onnx]") {
  OnnxModel model;
  model.Output("y");
  onnx::NodeProto& node = model.Node("Constant", {}, {"y"});
  SetString(node, "value_string", "text");
  CHECK(model.ErrorText() ==
        "node 'Constant_0' (Constant): has no numbers, expected attribute "
        "value, value_float(s) or value_int(s)");
  SetTensor(node, "value", FloatTensor("", {2}, {1}));
  CHECK(model.ErrorText() ==
        "constant 'Constant_0' [2] has 1 stored values, expected 2");
}

TEST_CASE("ConstantOfShape of every type", "[onnx]") {
  const auto filled = [](int32_t type, int64_t value) {
    OnnxModel model;
    model.Ints("shape", {2}, {1, 2});
    onnx::TensorProto tensor = IntTensor("", {1}, {});
    tensor.set_data_type(type);
    if (type == onnx::TensorProto::INT64) {
      tensor.add_int64_data(value);
    } else {
      tensor.add_int32_data(static_cast<int32_t>(value));
    }
    SetTensor(model.Node("ConstantOfShape", {"shape"}, {"y"}), "value", tensor);
    return ConstantText(model);
  };
  CHECK(filled(onnx::TensorProto::INT64, -7).find("i64[1,2] = {-7, -7}") !=
        std::string::npos);
  CHECK(filled(onnx::TensorProto::INT32, 5).find("i32[1,2] = {5, 5}") !=
        std::string::npos);
  CHECK(filled(onnx::TensorProto::BOOL, 1).find("bool[1,2] = {1, 1}") !=
        std::string::npos);
  CHECK(filled(onnx::TensorProto::INT8, -3).find("s8[1,2] = {-3, -3}") !=
        std::string::npos);
  OnnxModel zeros;
  zeros.Ints("shape", {1}, {3}).Node("ConstantOfShape", {"shape"}, {"y"});
  CHECK(ConstantText(zeros).find("f32[3] = {0.0, 0.0, 0.0}") !=
        std::string::npos);
  OnnxModel pair;
  pair.Ints("shape", {1}, {3}).Output("y");
  SetTensor(pair.Node("ConstantOfShape", {"shape"}, {"y"}), "value",
            IntTensor("", {2}, {1, 2}));
  CHECK(pair.ErrorText().find("value is i64[2], expected one element") !=
        std::string::npos);
}

TEST_CASE("Range of integers and floats", "[onnx]") {
  OnnxModel ints;
  ints.Ints("a", {}, {5}).Ints("b", {}, {0}).Ints("c", {}, {-2});
  ints.Node("Range", {"a", "b", "c"}, {"y"});
  CHECK(ConstantText(ints).find("i64[3] = {5, 3, 1}") != std::string::npos);
  OnnxModel floats;
  floats.Floats("a", {}, {0}).Floats("b", {}, {1}).Floats("c", {}, {0.5f});
  floats.Node("Range", {"a", "b", "c"}, {"y"});
  CHECK(ConstantText(floats).find("f32[2] = {0.0, 0.5}") != std::string::npos);
}

}  // namespace
}  // namespace bittern::test
