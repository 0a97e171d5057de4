// Whole files: what ordinary exporters write and what the importer makes of it.
#include "converter/onnx/importer.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "converter/onnx/sha256.h"
#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using convert::ImportOptions;

TEST_CASE("a file says where it came from", "[onnx]") {
  OnnxModel model(18);
  model.Input("x", {2}).Output("y").Node("Neg", {"x"}, {"y"});
  model.proto().set_producer_name("pytorch");
  model.proto().set_producer_version("2.4");
  const auto imported = model.Import();
  REQUIRE(imported.ok());
  CHECK(imported.value().producer == "pytorch 2.4");
  CHECK(imported.value().opset == 18);
  const std::string bytes = model.proto().SerializeAsString();
  CHECK(imported.value().sha256 ==
        convert::Sha256Hex(bytes.data(), bytes.size()));
}

TEST_CASE("names, order and dead nodes of ordinary files", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2}).Input("w", {2}).Floats("w", {2}, {1, 2});
  model.Floats("dead_weight", {2}, {1, 2}).Output("y");
  model.Node("Identity", {"late"}, {"alias"});
  model.Node("Mul", {"alias", "w"}, {"y"});  // before its producer
  model.Node("Add", {"x", "w"}, {"late"}).set_name("sum");
  model.Node("Unknown", {"x"}, {"training_output"});
  model.proto().add_opset_import()->set_domain("unused.domain");
  CHECK(model.Text() ==
        "input %x: f32[2]\n"
        "const %w: f32[2] = {1.0, 2.0}\n"
        "%late: f32[2] = Add(%x, %w) name=\"sum\"\n"
        "%y: f32[2] = Mul(%late, %w) name=\"Mul_1\"\n"
        "output %y\n");
}

TEST_CASE("the default domain has two spellings", "[onnx]") {
  OnnxModel model;
  model.proto().mutable_opset_import(0)->set_domain("ai.onnx");
  model.Input("x", {1}).Output("y");
  model.Node("Neg", {"x"}, {"middle"});
  model.Node("Abs", {"middle"}, {"y"}).set_domain("ai.onnx");
  CHECK(model.Import().ok());
}

TEST_CASE("a foreign domain needs no opset import", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Output("y");
  model.Node("Gelu", {"x"}, {"y"}).set_domain("com.microsoft");
  CHECK(model.Text().find("Gelu(%x)") != std::string::npos);
}

TEST_CASE("graph outputs may be inputs, initializers and aliases", "[onnx]") {
  OnnxModel model;
  model.Input("x", {2}).Floats("w", {2}, {3, 4});
  model.Output("x").Output("w").Output("y").Output("z");
  model.Node("Neg", {"x"}, {"y"});
  model.Node("Identity", {"y"}, {"z"});
  const std::vector<Array> outputs = model.Run({FloatArray({2}, {1, 2})});
  CHECK(outputs[0].As<float>() == std::vector<float>{1, 2});
  CHECK(outputs[1].As<float>() == std::vector<float>{3, 4});
  CHECK(outputs[2].As<float>() == std::vector<float>{-1, -2});
  CHECK(outputs[3].As<float>() == std::vector<float>{-1, -2});
  CHECK(outputs[2].name == "y");
  CHECK(outputs[3].name == "z");
}

TEST_CASE("shape arithmetic disappears", "[onnx]") {
  // [N, 6, 4] -> [N, 3, 8] as exporters write it, with a symbolic batch.
  OnnxModel model;
  model.Input("x", {-1, 6, 4}).Output("y").Ints("zero", {}, {0});
  model.Ints("axes", {1}, {0}).Ints("rest", {2}, {3, -1});
  model.Node("Shape", {"x"}, {"shape"});
  model.Node("Gather", {"shape", "zero"}, {"batch"});
  model.Node("Unsqueeze", {"batch", "axes"}, {"batch1"});
  SetInt(model.Node("Concat", {"batch1", "rest"}, {"target"}), "axis", 0);
  model.Node("Reshape", {"x", "target"}, {"y"});
  CHECK(model.Text() ==
        "input %x: f32[1,6,4]\n"
        "const %target: i64[3] = {1, 3, -1}\n"
        "%y: f32[1,3,8] = Reshape(%x, %target) name=\"Reshape_4\"\n"
        "output %y\n");
  ImportOptions options;
  options.shapes["x"] = {5, 6, 4};
  CHECK(model.Text(options).find("%y: f32[5,3,8]") != std::string::npos);
}

TEST_CASE("weight quantisers stay nodes, their shape arithmetic does not",
          "[onnx]") {
  OnnxModel model;
  model.Input("x", {1, 2}).Output("y").Floats("w", {2, 2}, {1, -2, 3, -4});
  model.Node("Sign", {"w"}, {"s"});
  model.Node("MatMul", {"x", "s"}, {"y"});
  CHECK(model.Text().find("%s: f32[2,2] = Sign(%w)") != std::string::npos);
}

TEST_CASE("sizes computed from floats are computed when they are needed",
          "[onnx]") {
  OnnxModel model;
  model.Input("x", {4, 6}).Output("y").Floats("half", {2}, {0.5f, 2});
  model.Node("Shape", {"x"}, {"shape"});
  SetInt(model.Node("Cast", {"shape"}, {"real"}), "to", 1);
  model.Node("Mul", {"real", "half"}, {"scaled"});
  SetInt(model.Node("Cast", {"scaled"}, {"target"}), "to", 7);
  model.Node("Reshape", {"x", "target"}, {"y"});
  CHECK(model.Text().find("%y: f32[2,12] = Reshape") != std::string::npos);
}

TEST_CASE("a file is read from disk", "[onnx]") {
  OnnxModel model;
  model.Input("x", {1}).Output("y").Node("Neg", {"x"}, {"y"});
  const std::string path = BITTERN_BINARY_DIR "/importer_test.onnx";
  std::ofstream(path, std::ios::binary) << model.proto().SerializeAsString();
  CHECK(convert::ImportOnnxFile(path, {}).ok());
  std::ofstream(path, std::ios::binary) << "\x08";
  const auto broken = convert::ImportOnnxFile(path, {});
  REQUIRE(!broken.ok());
  CHECK(broken.error().message ==
        path + ": 1 bytes are not a complete ONNX protobuf");
  std::filesystem::remove(path);
  CHECK(convert::ImportOnnxFile(path, {}).error().message ==
        "cannot open " + path + ": not a regular file");
  CHECK(!convert::ImportOnnxFile(BITTERN_BINARY_DIR, {}).ok());
}

}  // namespace
}  // namespace bittern::test
