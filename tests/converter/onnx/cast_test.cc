// Casts among the types that ONNX has and the fewer that the runtime has.
#include <catch2/catch.hpp>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using onnx::TensorProto;

OnnxModel CastModel(int64_t to) {
  OnnxModel model(19);
  model.Input("x", {2}).Output("y");
  SetInt(model.Node("Cast", {"x"}, {"y"}), "to", to);
  return model;
}

TEST_CASE("casts to numbers", "[onnx]") {
  CHECK(CastModel(TensorProto::INT64)
            .Run({FloatArray({2}, {-1.7f, 2.5f})})[0]
            .As<int64_t>() == std::vector<int64_t>{-1, 2});
  CHECK(CastModel(TensorProto::BOOL)
            .Run({FloatArray({2}, {0, 0.5f})})[0]
            .As<uint8_t>() == std::vector<uint8_t>{0, 1});
}

TEST_CASE("casts among floats vanish, with a note", "[onnx]") {
  const auto imported = CastModel(TensorProto::FLOAT16).Import();
  REQUIRE(imported.ok());
  CHECK(imported.value().graph.nodes().empty());
  CHECK(imported.value().graph.notes ==
        std::vector<std::string>{"half-precision casts stay in f32"});
  CHECK(CastModel(TensorProto::DOUBLE).Import().value().graph.notes.empty());
}

TEST_CASE("casts to what is not a number are refused", "[onnx]") {
  CHECK(CastModel(TensorProto::STRING).ErrorText() ==
        "node 'Cast_0' (Cast): casts to STRING, expected a float, integer or "
        "BOOL");
  CHECK(CastModel(0).ErrorText().find("casts to type 0") != std::string::npos);
  CHECK(CastModel((int64_t{1} << 32) + 1).ErrorText().find("casts to") !=
        std::string::npos);
}

TEST_CASE("CastLike takes the type of its second input", "[onnx]") {
  OnnxModel model(19);
  model.Input("x", {2}).Output("y").Ints("like", {1}, {0});
  model.Node("CastLike", {"x", "like"}, {"y"});
  CHECK(model.Text().find("%y: i64[2] = Cast(%x)") != std::string::npos);
}

TEST_CASE("bits read as another type", "[onnx]") {
  OnnxModel model(26);
  model.Input("x", {2}).Input("i", {2}, onnx::TensorProto::INT32);
  model.Output("bits").Output("float").Output("unsigned");
  SetInt(model.Node("BitCast", {"x"}, {"bits"}), "to",
         onnx::TensorProto::INT32);
  SetInt(model.Node("BitCast", {"i"}, {"float"}), "to",
         onnx::TensorProto::FLOAT);
  SetInt(model.Node("BitCast", {"i"}, {"unsigned"}), "to",
         onnx::TensorProto::UINT32);
  Array i = FloatArray({2}, {-2.5f, 1});  // the same bytes
  i.type.dtype = runtime::DType::kI32;
  const std::vector<Array> outputs =
      model.Run({FloatArray({2}, {-2.5f, 1}), i});
  CHECK(outputs[0].As<int32_t>() ==
        std::vector<int32_t>{static_cast<int32_t>(0xC0200000u), 0x3F800000});
  CHECK(outputs[1].As<float>() == std::vector<float>{-2.5f, 1});
  CHECK(outputs[2].As<int64_t>() ==
        std::vector<int64_t>{0xC0200000, 0x3F800000});
  SetInt(*model.graph().mutable_node(0), "to", onnx::TensorProto::INT16);
  model.graph().mutable_node(0)->mutable_attribute()->DeleteSubrange(0, 1);
  CHECK_THAT(model.ErrorText(), Catch::Contains("reads FLOAT as INT16"));
}

}  // namespace
}  // namespace bittern::test
