// Clip by opset, both forms of Gelu, and the composed activations.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

// y = op(x) at five points.
Values Activate(const std::string& op, const std::string& domain = "",
                const std::vector<std::pair<std::string, float>>& floats = {},
                int64_t opset = 20) {
  OnnxModel model(opset);
  model.Input("x", {5}).Output("y");
  onnx::NodeProto& node = model.Node(op, {"x"}, {"y"});
  node.set_domain(domain);
  for (const auto& [name, value] : floats) SetFloat(node, name, value);
  return model.Run({FloatArray({5}, {-4, -1, 0, 1, 4})})[0].As<float>();
}

void CheckClose(const Values& got, const Values& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO(i);
    CHECK(got[i] == Approx(expected[i]).margin(1e-6));
  }
}

TEST_CASE("Clip bounds are attributes before opset 11", "[onnx]") {
  CHECK(Activate("Clip", "", {{"min", -2.0f}, {"max", 3.0f}}, 10) ==
        Values{-2, -1, 0, 1, 3});
  CHECK(Activate("Clip", "", {{"max", 3.0f}}, 9) == Values{-4, -1, 0, 1, 3});
}

TEST_CASE("Clip bounds are inputs since opset 11", "[onnx]") {
  OnnxModel model(13);
  model.Input("x", {5}).Output("y").Floats("low", {}, {-2});
  SECTION("constant") {
    model.Node("Clip", {"x", "low"}, {"y"});
    CHECK(model.Text().find("Clip(%x) name=\"Clip_0\" min=-2.0") !=
          std::string::npos);
  }
  SECTION("computed from constants") {
    model.Node("Neg", {"low"}, {"high"});
    model.Node("Clip", {"x", "low", "high"}, {"y"});
    CHECK(model.Text().find("max=2.0 min=-2.0") != std::string::npos);
  }
  SECTION("known at run time only") {
    model.Input("high", {}).Node("Clip", {"x", "low", "high"}, {"y"});
    CHECK(model
              .Run({FloatArray({5}, {-4, -1, 0, 1, 4}),
                    FloatArray({}, {0.5f})})[0]
              .As<float>() == Values{-2, -1, 0, 0.5f, 0.5f});
  }
  SECTION("as an attribute it is not known") {
    SetFloat(model.Node("Clip", {"x"}, {"y"}), "min", 0);
    CHECK(model.ErrorText().find("attribute 'min' is not known") !=
          std::string::npos);
  }
}

TEST_CASE("Clip of integers", "[onnx]") {
  OnnxModel model(12);
  model.Input("x", {3}, onnx::TensorProto::INT8).Output("y");
  onnx::TensorProto low = IntTensor("low", {}, {});
  low.set_data_type(onnx::TensorProto::INT8);
  low.add_int32_data(-7);
  model.Initializer(low).Node("Clip", {"x", "low"}, {"y"});
  const Array x = MakeArray<int8_t>(runtime::DType::kS8, {3}, {-128, -7, 127});
  CHECK(model.Run({x})[0].As<int8_t>() == std::vector<int8_t>{-7, -7, 127});
}

TEST_CASE("Gelu in its two forms and three spellings", "[onnx]") {
  const auto erf_form = [](double x) {
    return static_cast<float>(x * 0.5 * (1 + std::erf(x / std::sqrt(2.0))));
  };
  const Values expected = {erf_form(-4), erf_form(-1), 0, erf_form(1),
                           erf_form(4)};
  CheckClose(Activate("Gelu"), expected);
  CheckClose(Activate("Gelu", "com.microsoft"), expected);

  OnnxModel model(20);
  model.Input("x", {1}).Output("y");
  onnx::NodeProto& node = model.Node("Gelu", {"x"}, {"y"});
  SetString(node, "approximate", "tanh");
  CheckClose(model.Run({FloatArray({1}, {1})})[0].As<float>(), {0.841192f});
  node.mutable_attribute(0)->set_s("sine");
  CHECK(model.ErrorText() ==
        "node 'Gelu_0' (Gelu): approximate is 'sine', expected 'none' or "
        "'tanh'");
}

TEST_CASE("composed activations", "[onnx]") {
  CheckClose(Activate("LeakyRelu", "", {{"alpha", 0.1f}}),
             {-0.4f, -0.1f, 0, 1, 4});
  CheckClose(Activate("Elu", "", {{"alpha", 2.0f}}),
             {-1.9633687f, -1.2642411f, 0, 1, 4});
  CheckClose(Activate("HardSigmoid"), {0, 0.3f, 0.5f, 0.7f, 1});
  CheckClose(Activate("HardSwish"), {0, -1.0f / 3, 0, 2.0f / 3, 4});
  CheckClose(Activate("Softplus"),
             {0.0181499f, 0.3132617f, 0.6931472f, 1.3132617f, 4.0181499f});
  CheckClose(Activate("Softsign"), {-0.8f, -0.5f, 0, 0.5f, 0.8f});
  CheckClose(Activate("QuickGelu", "com.microsoft"),
             {-0.0044147f, -0.1542042f, 0, 0.8457958f, 3.9955853f});
}

TEST_CASE("activations with a second input", "[onnx]") {
  OnnxModel model(16);
  model.Input("x", {2, 2}).Output("y").Output("z").Floats("s", {2}, {0.5f, 2});
  model.Node("PRelu", {"x", "s"}, {"y"});
  model.Node("BiasGelu", {"x", "s"}, {"z"}).set_domain("com.microsoft");
  const std::vector<Array> outputs =
      model.Run({FloatArray({2, 2}, {-1, -1, 3, 3})});
  CHECK(outputs[0].As<float>() == Values{-0.5f, -2, 3, 3});
  CheckClose(outputs[1].As<float>(), {-0.1542688f, 0.8413447f, 3.4991859f, 5});
}

}  // namespace
}  // namespace bittern::test
