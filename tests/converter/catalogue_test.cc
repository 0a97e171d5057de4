// Every way in which low-bit layers reach ONNX (tests/data/make_catalogue.py,
// and make_exporters.py for real tools' spelling):
// the converter finds what the generator put in, the packed codes are numpy's,
// the outputs those of another runtime.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "converter/convert.h"
#include "kernels/base/code_matrix.h"
#include "runtime/cli/npy.h"
#include "runtime/exec/session.h"
#include "runtime/format/reader.h"

namespace bittern::test {
namespace {

namespace fs = std::filesystem;

using Codes = std::vector<std::vector<int>>;

// Sums of 16 products in fp32, in another order.
constexpr double kTolerance = 1e-5;

// The weights of every product whose weights are codes, in order.
std::vector<Codes> PackedCodes(const runtime::Model& model) {
  std::vector<Codes> all;
  for (const runtime::OpDef& op : model.def().ops) {
    if (op.op != "LowBitLinear" && op.op != "LowBitConv") continue;
    const runtime::TensorDef& w =
        model.def().tensors[static_cast<size_t>(op.inputs[1])];
    const auto n = static_cast<size_t>(w.type.shape[0]);
    const auto k = static_cast<size_t>(w.type.shape[1]);
    if (n == 1) continue;  // the sum of a row, for weights of two values
    const kernels::CodeMatrix matrix{w.data, runtime::OperandOf(w.type.code), n,
                                     k};
    Codes codes(n, std::vector<int>(k));
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < k; ++j) codes[i][j] = ValueAt(matrix, i, j);
    }
    all.push_back(std::move(codes));
  }
  return all;
}

void CheckLayers(const convert::Report& report, const nlohmann::json& layers,
                 const std::vector<Codes>& codes) {
  REQUIRE(report.layers.size() == layers.size());
  size_t packed = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const convert::LayerRecord& got = report.layers[i];
    CHECK_THAT(got.weights, Catch::StartsWith(layers[i].value("weights", "")));
    CHECK_THAT(got.activations,
               Catch::StartsWith(layers[i].value("activations", "")));
    if (layers[i].contains("reason")) {
      CHECK_THAT(got.reason, Catch::Contains(layers[i].value("reason", "")));
    } else {
      CHECK(got.reason == "");
    }
    if (!layers[i].contains("codes")) continue;
    REQUIRE(packed < codes.size());
    CHECK(codes[packed++] == layers[i]["codes"].get<Codes>());
  }
  CHECK(packed == codes.size());
}

std::vector<float> RunOn(std::shared_ptr<const runtime::Model> model,
                         const cli::NpyArray& x) {
  auto session = runtime::Session::Create(std::move(model), {});
  REQUIRE(session.ok());
  REQUIRE(session.value()->Prepare().ok());
  const auto input = session.value()->Input(0);
  REQUIRE(input.ok());
  REQUIRE(input.value().type->shape == x.type.shape);
  std::memcpy(input.value().data, x.bytes.data(), x.bytes.size());
  REQUIRE(session.value()->Run().ok());
  const auto output = session.value()->Output(0);
  const auto* first = static_cast<const float*>(output.value().data);
  return {first, first + output.value().type->shape.Elements()};
}

void CheckOutput(std::shared_ptr<const runtime::Model> model,
                 const fs::path& folder, double tolerance = kTolerance) {
  const auto x = cli::ReadNpy((folder / "input.npy").string());
  const auto y = cli::ReadNpy((folder / "output.npy").string());
  REQUIRE((x.ok() && y.ok()));
  const std::vector<float> got = RunOn(std::move(model), x.value());
  const auto* expected = reinterpret_cast<const float*>(y.value().bytes.data());
  REQUIRE(static_cast<int64_t>(got.size()) == y.value().type.shape.Elements());
  double largest = 0, difference = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(expected[i])));
    difference =
        std::max(difference, std::fabs(static_cast<double>(got[i]) -
                                       static_cast<double>(expected[i])));
  }
  CHECK(difference <= tolerance * largest);
  // Weights in groups sum as the float graph does.
  if (!folder.filename().string().starts_with("w7_")) return;
  const auto floats =
      convert::LoadFloatModel((folder / "model.onnx").string(), {});
  REQUIRE(floats.ok());
  CHECK(RunOn(floats.value(), x.value()) == got);
}

// Converts and runs every fixture of a folder of tests/data; gives their
// number.
size_t CheckFolder(const std::string& name) {
  const fs::path root = fs::path(BITTERN_SOURCE_DIR) / "tests/data" / name;
  const fs::path packed =
      fs::path(BITTERN_BINARY_DIR) / (name + "_test.bittern");
  size_t fixtures = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    ++fixtures;
    INFO(entry.path().filename().string());
    const auto report = convert::ConvertFile(
        (entry.path() / "model.onnx").string(), packed.string(), {});
    INFO(report.error().message);
    CHECK(report.ok());
    if (!report.ok()) continue;
    const auto model = runtime::ReadModelFile(packed.string());
    REQUIRE(model.ok());
    std::ifstream file(entry.path() / "expected.json");
    const auto expected = nlohmann::json::parse(file);
    CheckLayers(report.value(), expected["layers"],
                PackedCodes(*model.value()));
    CheckOutput(model.value(), entry.path());
  }
  fs::remove(packed);
  return fixtures;
}

TEST_CASE("the catalogue of low-bit layers") {
  CHECK(CheckFolder("catalogue") == 107);
}

// A scale per input channel in integers: codes as in the exact mode, weights
// that hold the scales in 16 or 8 bits.
TEST_CASE("layers with a scale per input channel in the integer modes") {
  const std::string name =
      GENERATE("a9_columns", "a9_shift_and_scale", "a13_per_column");
  const auto [mode, text, tolerance] =
      GENERATE(table<convert::InputScale, const char*, double>(
          {{convert::InputScale::kFast16, "fast16", 1e-4},
           {convert::InputScale::kFast8, "fast8", 2e-2}}));
  INFO(name << " " << text);
  const fs::path folder =
      fs::path(BITTERN_SOURCE_DIR) / "tests/data/catalogue" / name;
  const fs::path packed = fs::path(BITTERN_BINARY_DIR) / "modes_test.bittern";
  convert::ConvertOptions options;
  options.passes.input_scale = mode;
  const auto report = convert::ConvertFile((folder / "model.onnx").string(),
                                           packed.string(), options);
  REQUIRE(report.ok());
  REQUIRE(report.value().layers.size() == 1);
  CHECK(report.value().layers[0].input_scale == text);
  const auto model = runtime::ReadModelFile(packed.string());
  REQUIRE(model.ok());
  CheckOutput(model.value(), folder, tolerance);
  fs::remove(packed);
}

TEST_CASE("low-bit layers as real exporters write them") {
  CHECK(CheckFolder("exporters") == 45);
}

}  // namespace
}  // namespace bittern::test
