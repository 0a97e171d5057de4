// The nine well-known networks of PyPI's onnx 1.22.0 (light/: weights made by
// ConstantOfShape, the answer of one input beside the model), converted whole
// and run, where somebody has them:
//   BITTERN_ONNX_CASES=.../onnx/backend/test/data converter_onnx_cases_test
//   "[light]"
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "converter/convert.h"
#include "tests/converter/onnx/node_case.h"

namespace bittern::test {
namespace {

namespace fs = std::filesystem;
using runtime::Result;

// What ONNX's test runner feeds: i / n in row-major order.
Array Ramp(const runtime::TensorType& type) {
  std::vector<float> values(static_cast<size_t>(type.shape.Elements()));
  const auto n = static_cast<double>(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<double>(i) / n);
  }
  return MakeArray(type.dtype, type.shape, values);
}

Result<void> RunLightCase(const fs::path& file) {
  BITTERN_TRY_ASSIGN(convert::ImportedModel imported,
                     convert::ImportOnnxFile(file.string(), {}));
  BITTERN_TRY_ASSIGN(convert::PackedModel packed,
                     convert::PackModel(std::move(imported), {}));
  BITTERN_TRY_ASSIGN(
      auto model, runtime::Model::Make(packed.def, std::move(packed.storage)));
  std::vector<Array> inputs;
  for (const int32_t input : packed.def.inputs) {
    inputs.push_back(Ramp(packed.def.tensors[static_cast<size_t>(input)].type));
  }
  BITTERN_TRY_ASSIGN(const std::vector<Array> outputs,
                     RunModel(std::move(model), inputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string answer = (file.parent_path() / file.stem()).string() +
                               "_output_" + std::to_string(i) + ".pb";
    BITTERN_TRY_ASSIGN(const onnx::TensorProto proto, ReadTensorFile(answer));
    BITTERN_TRY_ASSIGN(const Array expected, ToArray(proto));
    BITTERN_TRY(Compare(outputs[i], expected));
  }
  return {};
}

TEST_CASE("the networks of light/", "[.light]") {
  const char* root = std::getenv("BITTERN_ONNX_CASES");
  REQUIRE(root != nullptr);
  size_t passed = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(root) / "light")) {
    if (entry.path().extension() != ".onnx") continue;
    const Result<void> result = RunLightCase(entry.path());
    INFO(entry.path().filename());
    CHECK((result.ok() ? "" : result.error().message) == std::string());
    passed += result.ok() ? 1 : 0;
  }
  std::cout << "light: " << passed << " networks passed\n";
  CHECK(passed == 9);
}

}  // namespace
}  // namespace bittern::test
