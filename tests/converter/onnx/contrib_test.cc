// What operators of com.microsoft and QONNX refuse; what they compute is in
// tests/data/onnx (fixtures_test.cc).
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

onnx::NodeProto& Contrib(OnnxModel& model, const std::string& op,
                         const std::vector<std::string>& inputs,
                         const char* domain = "com.microsoft") {
  onnx::NodeProto& node = model.Node(op, inputs, {"y"});
  node.set_domain(domain);
  node.set_name("n");
  return node;
}

TEST_CASE("attention that is not supported", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1, 3, 8}).Floats("w", {8, 24}, std::vector<float>(192));
  model.Output("y");
  SECTION("heads that do not divide") {
    SetInt(Contrib(model, "Attention", {"x", "w"}), "num_heads", 3);
    CHECK(model.ErrorText() ==
          "node 'n' (Attention): num_heads is 3, expected a divisor of the "
          "hidden sizes");
  }
  SECTION("a mask of lengths") {
    model.Ints("lengths", {1}, {2});
    SetInt(Contrib(model, "Attention", {"x", "w", "", "lengths"}), "num_heads",
           2);
    CHECK(model.ErrorText() ==
          "node 'n' (Attention): the mask is i64[1], expected one value for "
          "each key, [1,3]");
  }
  SECTION("past keys") {
    SetInt(Contrib(model, "Attention", {"x", "w", "", "", "x"}), "num_heads",
           2);
    CHECK_THAT(model.ErrorText(), Catch::Contains("past keys and values"));
  }
  SECTION("of the default domain, without heads") {
    Contrib(model, "Attention", {"x", "x", "x"}, "");
    CHECK_THAT(model.ErrorText(), Catch::Contains("for 0 heads"));
  }
}

TEST_CASE("embeddings whose tables do not fit", "[onnx]") {
  OnnxModel model(23);
  model.Input("x", {1, 2, 3, 8}).Floats("t", {1, 3, 3}, std::vector<float>(9));
  model.Output("y");
  Contrib(model, "RotaryEmbedding", {"x", "t", "t"}, "");
  CHECK_THAT(model.ErrorText(),
             Catch::Contains("expected the same and a last dimension of half "
                             "of the 8 elements to rotate, of 8"));
}

TEST_CASE("weights in blocks that do not fit", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1, 20}).Output("y");
  model.Floats("scales", {3}, {1, 2, 3});
  onnx::TensorProto blocks = IntTensor("blocks", {8}, {});
  blocks.set_data_type(onnx::TensorProto::UINT8);
  blocks.set_raw_data(std::string(8, '\1'));
  model.Initializer(blocks);
  onnx::NodeProto& node =
      Contrib(model, "MatMulNBits", {"x", "blocks", "scales"});
  SetInt(node, "K", 20);
  SetInt(node, "N", 3);
  SECTION("a block size that is no power of two") {
    SetInt(node, "block_size", 20);
    CHECK_THAT(model.ErrorText(), Catch::Contains("a power of two from 16"));
  }
  SECTION("too few bytes") {
    SetInt(node, "block_size", 16);
    CHECK(model.ErrorText() ==
          "node 'n' (MatMulNBits): the weight is u8[8] with 3 scales, expected "
          "48 bytes and 6");
  }
}

TEST_CASE("QONNX quantisers that are not supported", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2, 3}).Floats("one", {}, {1}).Floats("wide", {}, {33});
  model.Output("y");
  const char* domain = "qonnx.custom_op.general";
  SECTION("a mode of rounding that does not exist") {
    SetString(Contrib(model, "Quant", {"x", "one", "one", "one"}, domain),
              "rounding_mode", "nearest");
    CHECK_THAT(model.ErrorText(),
               Catch::Contains("rounding_mode is 'nearest', expected ROUND"));
  }
  SECTION("too many bits") {
    Contrib(model, "Quant", {"x", "one", "one", "wide"}, domain);
    CHECK(model.ErrorText() ==
          "node 'n' (Quant): the bit width is 33.000000, expected 1 to 16");
  }
  SECTION("a width that the run decides") {
    Contrib(model, "Quant", {"x", "one", "one", "x"}, domain);
    CHECK_THAT(model.ErrorText(),
               Catch::Contains("the bit width is computed from the model's "
                               "inputs at run time"));
  }
  SECTION("thresholds of another number of channels") {
    model.Floats("t", {2, 1}, {0, 1});
    Contrib(model, "MultiThreshold", {"x", "t"}, domain);
    CHECK_THAT(model.ErrorText(), Catch::Contains("expected a row for each"));
  }
}

}  // namespace
}  // namespace bittern::test
