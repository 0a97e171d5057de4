// Comparisons, logic and tests for special values.
#include <catch2/catch.hpp>
#include <limits>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Flags = std::vector<uint8_t>;

TEST_CASE("comparisons of floats and bytes", "[onnx]") {
  OnnxModel model;
  model.Input("a", {3}).Input("b", {3}, onnx::TensorProto::INT8);
  model.Floats("one", {}, {1});
  model.Output("less").Output("at_least").Output("bytes").Output("both");
  model.Node("Less", {"a", "one"}, {"less"});
  model.Node("GreaterOrEqual", {"a", "one"}, {"at_least"});
  model.Node("Equal", {"b", "b"}, {"bytes"});
  model.Node("Xor", {"less", "bytes"}, {"both"});
  const std::vector<Array> outputs =
      model.Run({FloatArray({3}, {0, 1, 2}),
                 MakeArray<int8_t>(runtime::DType::kS8, {3}, {-1, 0, 1})});
  CHECK(outputs[0].As<uint8_t>() == Flags{1, 0, 0});
  CHECK(outputs[1].As<uint8_t>() == Flags{0, 1, 1});
  CHECK(outputs[2].As<uint8_t>() == Flags{1, 1, 1});
  CHECK(outputs[3].As<uint8_t>() == Flags{0, 1, 1});
}

TEST_CASE("not a number and infinity", "[onnx]") {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  OnnxModel model;
  model.Input("a", {4});
  model.Output("nan").Output("inf").Output("negative").Output("where");
  model.Node("IsNaN", {"a"}, {"nan"});
  model.Node("IsInf", {"a"}, {"inf"});
  onnx::NodeProto& node = model.Node("IsInf", {"a"}, {"negative"});
  SetInt(node, "detect_positive", 0);
  model.Floats("zero", {}, {0}).Node("Where", {"nan", "zero", "a"}, {"where"});
  const std::vector<Array> outputs =
      model.Run({FloatArray({4}, {nan, infinity, -infinity, 5})});
  CHECK(outputs[0].As<uint8_t>() == Flags{1, 0, 0, 0});
  CHECK(outputs[1].As<uint8_t>() == Flags{0, 1, 1, 0});
  CHECK(outputs[2].As<uint8_t>() == Flags{0, 0, 1, 0});
  CHECK(outputs[3].As<float>() ==
        std::vector<float>{0, infinity, -infinity, 5});
  SetInt(node, "detect_negative", 0);
  CHECK(model.ErrorText().find("expected one of them") != std::string::npos);
}

}  // namespace
}  // namespace bittern::test
