// Attributes and inputs as handlers see them: wrong types, leftovers, absences.
#include "converter/onnx/node.h"

#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

TEST_CASE("attributes of the wrong type", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Output("y");
  onnx::NodeProto& node = model.Node("Softmax", {"x"}, {"y"});
  node.set_name("n");
  SECTION("a float for an int") {
    SetFloat(node, "axis", 1);
    CHECK(model.ErrorText() ==
          "node 'n' (Softmax): attribute 'axis' is a float, expected an int");
  }
  SECTION("a list for an int") {
    SetInts(node, "axis", {1});
    CHECK(model.ErrorText().find("is a list of ints, expected an int") !=
          std::string::npos);
  }
  SECTION("a type that does not exist") {
    SetInt(node, "axis", 1);
    node.mutable_attribute(0)->set_type(onnx::AttributeProto::TYPE_PROTO);
    CHECK(model.ErrorText().find("is of type 13, expected an int") !=
          std::string::npos);
  }
  SECTION("no type at all, as in old files") {
    SetInt(node, "axis", 0);
    node.mutable_attribute(0)->clear_type();
    CHECK(model.Text().find("Transpose") != std::string::npos);
  }
  SECTION("a reference to a function's attribute") {
    SetInt(node, "axis", 1);
    node.mutable_attribute(0)->set_ref_attr_name("outer");
    CHECK(model.ErrorText().find("refers to a function's attribute 'outer'") !=
          std::string::npos);
  }
  SECTION("one that the operator does not have") {
    SetInt(node, "axes", 1);
    CHECK(model.ErrorText() ==
          "node 'n' (Softmax): attribute 'axes' is not known for this operator "
          "at opset 17");
  }
}

TEST_CASE("inputs that lack or are too many", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Output("y");
  SECTION("too few") {
    model.Node("MatMul", {"x"}, {"y"});
    CHECK(model.ErrorText() ==
          "node 'MatMul_0' (MatMul): lacks input 1, expected at least 2 "
          "inputs");
  }
  SECTION("an empty name") {
    model.Node("MatMul", {"", "x"}, {"y"});
    CHECK(model.ErrorText().find("lacks input 0") != std::string::npos);
  }
  SECTION("too many") {
    model.Node("Neg", {"x", "x"}, {"y"});
    CHECK(model.ErrorText() ==
          "node 'Neg_0' (Neg): has 2 inputs, expected at most 1");
  }
  SECTION("empty names at the end") {
    model.Node("Clip", {"x", "", ""}, {"y"});
    CHECK(model.Text().find("Clip(%x)") != std::string::npos);
  }
}

TEST_CASE("inputs that must be constant", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Output("y");
  SECTION("but depend on the model's input") {
    model.Input("axes", {1}, onnx::TensorProto::INT64);
    model.Node("Squeeze", {"x", "axes"}, {"y"});
    CHECK(model.ErrorText() ==
          "node 'Squeeze_0' (Squeeze): axes is computed from the model's "
          "inputs at run time, expected a constant");
  }
  SECTION("but are floats") {
    model.Floats("shape", {1}, {6}).Node("Reshape", {"x", "shape"}, {"y"});
    CHECK(model.ErrorText() ==
          "node 'Reshape_0' (Reshape): shape is f32[1], expected i64 or i32");
  }
  SECTION("and are 32 bits wide") {
    onnx::TensorProto shape = IntTensor("shape", {1}, {});
    shape.set_data_type(onnx::TensorProto::INT32);
    shape.add_int32_data(6);
    model.Initializer(shape).Node("Reshape", {"x", "shape"}, {"y"});
    CHECK(model.Text().find("%y: f32[6]") != std::string::npos);
  }
}

TEST_CASE("outputs that a handler does not make", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Output("y").Output("z");
  model.Node("Neg", {"x"}, {"y", "z"});
  CHECK(model.ErrorText() ==
        "node 'Neg_0' (Neg): output 1 ('z') is not supported");
}

TEST_CASE("axes out of range or listed twice", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {2, 3}).Output("y");
  onnx::NodeProto& node = model.Node("Squeeze", {"x"}, {"y"});
  SECTION("out of range") {
    SetInts(node, "axes", {2});
    CHECK(model.ErrorText() ==
          "node 'Squeeze_0' (Squeeze): an axis is 2, expected -2 to 1");
  }
  SECTION("twice") {
    SetInts(node, "axes", {0, -2});
    CHECK(model.ErrorText() ==
          "node 'Squeeze_0' (Squeeze): an axis is listed twice, expected "
          "different axes");
  }
}

}  // namespace
}  // namespace bittern::test
