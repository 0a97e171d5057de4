// The committed models of tests/data/onnx: the good ones give the outputs of
// onnx's reference evaluator, the bad ones the error that names what is wrong.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "converter/onnx/importer.h"
#include "tests/converter/onnx/node_case.h"

namespace bittern::test {
namespace {

constexpr const char* kFixtures = BITTERN_SOURCE_DIR "/tests/data/onnx/";

TEST_CASE("good fixtures", "[onnx]") {
  const std::string name =
      GENERATE("bireal_linear", "class_token", "external_weights",
               "int4_weights", "opset9", "float16_weights", "newer_operators",
               "attention", "contrib_transformer", "contrib_quantised",
               "qonnx_quantisers", "run_time_sizes", "run_time_flow");
  INFO(name);
  const runtime::Result<NodeCase> loaded = LoadCase(kFixtures + name);
  REQUIRE(loaded.ok());
  REQUIRE(!loaded.value().outputs.empty());
  const runtime::Result<void> result =
      RunCase(loaded.value(), Through::kImporter);
  CHECK((result.ok() ? "" : result.error().message) == std::string());
}

const std::vector<std::pair<std::string, std::string>> kBad = {
    {"cycle", "the graph has a cycle through node 'first' (Add)"},
    {"duplicate_name", "tensor 'y' is made twice, expected once"},
    {"empty", "the file is empty, expected ONNX"},
    {"empty_graph", "the graph has no outputs, expected one or more"},
    {"external_escape", "expected a relative path inside the model's"},
    {"huge_dims", "has too many elements, expected at most 2^40"},
    {"huge_fill", "bytes, expected at most 4294967296"},
    {"many_dims", "input 'x' has 40 dimensions, expected at most 8"},
    {"missing_tensor", "node 'sum' (Add) reads tensor 'ghost'"},
    {"negative_dim", "dimension 1 of input 'x' is -4, expected a size"},
    {"no_graph", "the file has no graph, expected an ONNX model"},
    {"old_opset", "the file uses opset 0, expected 1 to 27"},
    {"random", "bytes are not a complete ONNX protobuf"},
    {"short_tensor", "initializer 'w' [4] has 5 bytes, expected 16"},
    {"truncated", "bytes are not a complete ONNX protobuf"},
    {"unknown_op", "operator 'Frobnicate' (domain ai.onnx, opset 17)"},
    {"wrong_attribute", "attribute 'axis' is a float, expected an int"},
    {"wrong_shape", "MatMul 'product'"},
    {"zero_dim", "dimension 1 of input 'x' is 0, expected a size"},
};

TEST_CASE("bad fixtures", "[onnx]") {
  for (const auto& [name, expected] : kBad) {
    const std::string path = kFixtures + ("bad/" + name) + ".onnx";
    const auto imported = convert::ImportOnnxFile(path, {});
    INFO(name);
    REQUIRE(!imported.ok());
    const std::string& message = imported.error().message;
    CHECK_THAT(message, Catch::Matchers::Contains(expected));
    CHECK_THAT(message, Catch::Matchers::StartsWith(path + ": "));
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("every bad fixture is listed", "[onnx]") {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(kFixtures) / "bad")) {
    files += entry.path().extension() == ".onnx" ? 1 : 0;
  }
  CHECK(files == kBad.size());
}

}  // namespace
}  // namespace bittern::test
