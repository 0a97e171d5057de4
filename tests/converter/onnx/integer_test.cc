// Quantisers, and exact products of codes.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using onnx::TensorProto;
using runtime::DType;

TEST_CASE("QuantizeLinear keeps to the range of its type", "[onnx]") {
  OnnxModel model(21);
  model.Input("x", {4}).Floats("s", {}, {0.5f}).Output("y").Output("z");
  TensorProto zero;
  zero.set_name("zero");
  zero.set_data_type(22);  // INT4
  zero.add_int32_data(1);
  model.Initializer(zero);
  model.Node("QuantizeLinear", {"x", "s", "zero"}, {"y"});
  model.Node("DequantizeLinear", {"y", "s", "zero"}, {"z"});
  const std::vector<Array> outputs =
      model.Run({FloatArray({4}, {-100, 0.25f, 0.75f, 100})});
  CHECK(outputs[0].As<int8_t>() == std::vector<int8_t>{-8, 1, 3, 7});
  CHECK(outputs[1].As<float>() == std::vector<float>{-4.5f, 0, 1, 3});
}

TEST_CASE("blocks of scales", "[onnx]") {
  OnnxModel model(21);
  model.Input("x", {1, 3}, TensorProto::INT8).Output("y");
  model.Floats("s", {1, 2}, {2, 10});
  onnx::NodeProto& node = model.Node("DequantizeLinear", {"x", "s"}, {"y"});
  SetInt(node, "block_size", 2);
  CHECK(model.Run({MakeArray<int8_t>(DType::kS8, {1, 3}, {1, 2, 3})})[0]
            .As<float>() == std::vector<float>{2, 4, 30});
}

// Sums of `depth` products 255 * -128, which f32 alone cannot hold exactly.
TEST_CASE("MatMulInteger is exact at every depth", "[onnx]") {
  for (const int64_t depth : {3, 259, 5001}) {
    OnnxModel model(10);
    model.Input("a", {1, depth}, TensorProto::UINT8);
    model.Input("b", {depth, 1}, TensorProto::INT8).Output("y");
    model.Node("MatMulInteger", {"a", "b"}, {"y"});
    const auto count = static_cast<size_t>(depth);
    std::vector<int8_t> b(count, -128);
    b[0] = -127;
    const std::vector<Array> outputs =
        model.Run({MakeArray<uint8_t>(DType::kU8, {1, depth},
                                      std::vector<uint8_t>(count, 255)),
                   MakeArray<int8_t>(DType::kS8, {depth, 1}, b)});
    CHECK(outputs[0].As<int32_t>() ==
          std::vector<int32_t>{static_cast<int32_t>(-128 * 255 * depth + 255)});
  }
}

TEST_CASE("products too deep for exact sums are refused", "[onnx]") {
  OnnxModel model(10);
  model.Input("a", {1, 40000}, TensorProto::UINT8);
  model.Input("b", {40000, 1}, TensorProto::INT8).Output("y");
  model.Node("MatMulInteger", {"a", "b"}, {"y"}).set_name("n");
  CHECK(model.ErrorText() ==
        "node 'n' (MatMulInteger): sums 40000 products, expected at most "
        "32896");
}

}  // namespace
}  // namespace bittern::test
