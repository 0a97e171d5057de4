// Strides, pads and automatic padding of sliding windows.
#include "converter/onnx/window.h"

#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

// The pads of a max pooling [1, 1, 5, 6], kernel 3 x 2, strides 2 x 3.
std::string Pads(const std::string& mode) {
  OnnxModel model(11);
  model.Input("x", {1, 1, 5, 6}).Output("y");
  onnx::NodeProto& node = model.Node("MaxPool", {"x"}, {"y"});
  SetInts(node, "kernel_shape", {3, 2});
  SetInts(node, "strides", {2, 3});
  SetString(node, "auto_pad", mode);
  const std::string text = model.Text();
  const size_t begin = text.find("pads=");
  return text.substr(begin, text.find(']', begin) + 1 - begin);
}

TEST_CASE("automatic padding", "[onnx]") {
  CHECK(Pads("SAME_UPPER") == "pads=[1, 0, 1, 0]");
  CHECK(Pads("SAME_LOWER") == "pads=[1, 0, 1, 0]");
  CHECK(Pads("VALID") == "pads=[0, 0, 0, 0]");
  CHECK(Pads("NOTSET") == "pads=[0, 0, 0, 0]");
  OnnxModel even(11);
  even.Input("x", {1, 1, 4, 4}).Output("y").Output("z");
  for (const auto& [output, mode] :
       {std::pair("y", "SAME_UPPER"), std::pair("z", "SAME_LOWER")}) {
    onnx::NodeProto& node = even.Node("MaxPool", {"x"}, {output});
    SetInts(node, "kernel_shape", {2, 2});
    SetString(node, "auto_pad", mode);
  }
  CHECK(even.Text().find("pads=[0, 0, 1, 1]") != std::string::npos);
  CHECK(even.Text().find("pads=[1, 1, 0, 0]") != std::string::npos);
}

TEST_CASE("windows that cannot be", "[onnx]") {
  OnnxModel model(11);
  model.Input("x", {1, 1, 4, 4}).Output("y");
  onnx::NodeProto& node = model.Node("AveragePool", {"x"}, {"y"});
  SECTION("no kernel") {
    CHECK(model.ErrorText() ==
          "node 'AveragePool_0' (AveragePool): lacks attribute "
          "'kernel_shape'");
    return;
  }
  SetInts(node, "kernel_shape", {2, 2});
  SECTION("too few strides") {
    SetInts(node, "strides", {1});
    CHECK(model.ErrorText().find("strides has 1 values, expected 2") !=
          std::string::npos);
  }
  SECTION("a stride of zero") {
    SetInts(node, "strides", {1, 0});
    CHECK(model.ErrorText().find("strides has 0, expected 1 to") !=
          std::string::npos);
  }
  SECTION("an absurd pad") {
    SetInts(node, "pads", {0, 0, 0, INT64_MAX});
    CHECK(model.ErrorText().find("pads has 9223372036854775807") !=
          std::string::npos);
  }
  SECTION("an unknown mode") {
    SetString(node, "auto_pad", "SOME");
    CHECK(model.ErrorText().find("auto_pad is 'SOME'") != std::string::npos);
  }
}

}  // namespace
}  // namespace bittern::test
