// Softmax changed its meaning at opset 13.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

Values Softmax(int64_t opset, std::optional<int64_t> axis,
               const std::string& op = "Softmax") {
  OnnxModel model(opset);
  model.Input("x", {1, 2, 2}).Output("y");
  onnx::NodeProto& node = model.Node(op, {"x"}, {"y"});
  if (axis) SetInt(node, "axis", *axis);
  const float log3 = std::log(3.0f);
  return model.Run({FloatArray({1, 2, 2}, {0, log3, 0, 0})})[0].As<float>();
}

void CheckClose(const Values& got, const Values& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i] == Approx(expected[i]).epsilon(1e-5));
  }
}

TEST_CASE("before opset 13 all dimensions from the axis on", "[onnx]") {
  CheckClose(Softmax(11, std::nullopt), {1.f / 6, 0.5f, 1.f / 6, 1.f / 6});
  CheckClose(Softmax(11, -3), {1.f / 6, 0.5f, 1.f / 6, 1.f / 6});
  CheckClose(Softmax(12, 2), {0.25f, 0.75f, 0.5f, 0.5f});
}

TEST_CASE("since opset 13 along one axis", "[onnx]") {
  CheckClose(Softmax(13, std::nullopt), {0.25f, 0.75f, 0.5f, 0.5f});
  CheckClose(Softmax(13, 1), {0.5f, 0.75f, 0.5f, 0.25f});
  CheckClose(Softmax(22, 0), {1, 1, 1, 1});
}

TEST_CASE("the logarithm of it", "[onnx]") {
  const Values got = Softmax(13, 1, "LogSoftmax");
  CheckClose({std::exp(got[0]), std::exp(got[1]), std::exp(got[3])},
             {0.5f, 0.75f, 0.25f});
}

}  // namespace
}  // namespace bittern::test
