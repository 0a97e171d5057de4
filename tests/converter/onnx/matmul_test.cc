// Gemm in all its forms, as Transpose, MatMul, Mul and Add.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

TEST_CASE("a linear layer is MatMul of a transposed weight", "[onnx]") {
  OnnxModel model(13);
  model.Input("x", {1, 2}).Output("y");
  model.Floats("w", {3, 2}, {1, 0, 0, 1, 1, 1}).Floats("b", {3}, {10, 20, 30});
  SetInt(model.Node("Gemm", {"x", "w", "b"}, {"y"}), "transB", 1);
  CHECK(model.Text() ==
        "input %x: f32[1,2]\n"
        "const %w: f32[3,2] = {1.0, 0.0, 0.0, 1.0, 1.0, 1.0}\n"
        "const %b: f32[3] = {10.0, 20.0, 30.0}\n"
        "%y/Transpose: f32[2,3] = Transpose(%w) name=\"Gemm_0\" perm=[1, 0]\n"
        "%y/MatMul: f32[1,3] = MatMul(%x, %y/Transpose) name=\"Gemm_0\"\n"
        "%y: f32[1,3] = Add(%y/MatMul, %b) name=\"Gemm_0\"\n"
        "output %y\n");
  CHECK(model.Run({FloatArray({1, 2}, {1, 2})})[0].As<float>() ==
        Values{11, 22, 33});
}

TEST_CASE("Gemm scales", "[onnx]") {
  const auto gemm = [](float alpha, float beta, bool bias) {
    OnnxModel model(13);
    model.Input("x", {2, 1}).Output("y").Floats("w", {2, 1}, {1, 3});
    model.Floats("b", {}, {5});
    std::vector<std::string> inputs = {"x", "w"};
    if (bias) inputs.push_back("b");
    onnx::NodeProto& node = model.Node("Gemm", inputs, {"y"});
    SetInt(node, "transA", 1);
    SetFloat(node, "alpha", alpha);
    SetFloat(node, "beta", beta);
    return model.Run({FloatArray({2, 1}, {1, 2})})[0].As<float>();
  };
  CHECK(gemm(1, 1, true) == Values{12});
  CHECK(gemm(2, 1, true) == Values{19});
  CHECK(gemm(2, 0.5f, true) == Values{16.5f});
  CHECK(gemm(2, 0, true) == Values{14});
  CHECK(gemm(0.5f, 1, false) == Values{3.5f});
  CHECK(gemm(1, 1, false) == Values{7});
}

TEST_CASE("Gemm wants matrices", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1, 1, 2}).Output("y").Floats("w", {2, 1}, {1, 1});
  model.Node("Gemm", {"x", "w"}, {"y"});
  CHECK(model.ErrorText() ==
        "node 'Gemm_0' (Gemm): input 0 is f32[1,1,2], expected 2 dimensions");
}

TEST_CASE("FusedMatMul transposes the last two dimensions", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1, 1, 2}).Output("y");
  onnx::NodeProto& node = model.Node("FusedMatMul", {"x", "x"}, {"y"});
  node.set_domain("com.microsoft");
  SetInt(node, "transB", 1);
  SetFloat(node, "alpha", 0.5f);
  CHECK(model.Run({FloatArray({1, 1, 2}, {3, 4})})[0].As<float>() ==
        Values{12.5f});
  SetInt(node, "transBatchA", 1);
  CHECK(model.ErrorText().find("transBatchA") != std::string::npos);
}

}  // namespace
}  // namespace bittern::test
