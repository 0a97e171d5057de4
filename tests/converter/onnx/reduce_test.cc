// Reductions: axes as an attribute (old) and as an input (new), and composed
// ones.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Values = std::vector<float>;

// 2 x 3: rows 1 2 3 and 4 5 6.
Values Reduce(OnnxModel& model) {
  model.Input("x", {2, 3}).Output("y");
  return model.Run({FloatArray({2, 3}, {1, 2, 3, 4, 5, 6})})[0].As<float>();
}

TEST_CASE("axes are an attribute or an input", "[onnx]") {
  for (int64_t opset : {9, 12, 13, 17, 18, 22}) {
    INFO(opset);
    OnnxModel with_attribute(opset);
    SetInts(with_attribute.Node("ReduceSum", {"x"}, {"y"}), "axes", {-1});
    CHECK(Reduce(with_attribute) == Values{6, 15});
    OnnxModel with_input(opset);
    with_input.Ints("axes", {1}, {0});
    with_input.Node("ReduceMean", {"x", "axes"}, {"y"});
    CHECK(Reduce(with_input) == Values{2.5f, 3.5f, 4.5f});
  }
}

TEST_CASE("no axes: all dimensions, or nothing if so asked", "[onnx]") {
  OnnxModel all(18);
  SetInt(all.Node("ReduceMax", {"x"}, {"y"}), "keepdims", 0);
  CHECK(Reduce(all) == Values{6});
  CHECK(all.Text().find("%y: f32[]") != std::string::npos);
  OnnxModel nothing(18);
  SetInt(nothing.Node("ReduceSum", {"x"}, {"y"}), "noop_with_empty_axes", 1);
  CHECK(Reduce(nothing) == Values{1, 2, 3, 4, 5, 6});
  OnnxModel empty(18);
  empty.Ints("axes", {0}, {}).Node("ReduceMin", {"x", "axes"}, {"y"});
  CHECK(Reduce(empty) == Values{1});
}

TEST_CASE("composed reductions", "[onnx]") {
  const auto reduce = [](const std::string& op) {
    OnnxModel model(13);
    onnx::NodeProto& node = model.Node(op, {"x"}, {"y"});
    SetInts(node, "axes", {1});
    SetInt(node, "keepdims", 0);
    return Reduce(model);
  };
  CHECK(reduce("ReduceL1") == Values{6, 15});
  CHECK(reduce("ReduceSumSquare") == Values{14, 77});
  CHECK(reduce("ReduceL2")[0] == Approx(3.7416574));
  CHECK(reduce("ReduceLogSum")[1] == Approx(2.7080502));
  CHECK(reduce("ReduceProd") == Values{6, 120});
}

TEST_CASE("reductions of narrow integers", "[onnx]") {
  OnnxModel model(13);
  model.Input("x", {3}, onnx::TensorProto::INT32).Output("y");
  model.Node("ReduceSum", {"x"}, {"y"});
  const Array x = MakeArray<int32_t>(runtime::DType::kI32, {3}, {1, -5, 2});
  CHECK(model.Run({x})[0].As<int32_t>() == std::vector<int32_t>{-2});
}

TEST_CASE("cumulative sums", "[onnx]") {
  const auto sums = [](bool reverse) {
    OnnxModel model(14);
    model.Ints("axis", {}, {-1});
    SetInt(model.Node("CumSum", {"x", "axis"}, {"y"}), "reverse", reverse);
    return Reduce(model);
  };
  CHECK(sums(false) == Values{1, 3, 6, 4, 9, 15});
  CHECK(sums(true) == Values{6, 5, 3, 15, 11, 6});
}

}  // namespace
}  // namespace bittern::test
