// Conversion of the trained model that the project ships, through files: every
// body layer is low-bit, the answers are those of its collapsed form, and
// nothing half-written stays behind a failure.
#include "converter/convert.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "runtime/exec/session.h"
#include "runtime/format/reader.h"

namespace bittern::convert {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPixels = 28 * 28;
constexpr size_t kImages = 200;  // of the 2,000 that are shipped

fs::path ModelFile(const std::string& name) {
  return fs::path(BITTERN_SOURCE_DIR) / "models/bivit" / name;
}

fs::path Scratch(const std::string& name) {
  const fs::path folder = fs::path(BITTERN_BINARY_DIR) / "convert_test";
  fs::create_directories(folder);
  return folder / name;
}

void WriteText(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

Result<Report> Convert(const std::string& name, const fs::path& out,
                       const std::string& preprocess = "",
                       const std::string& labels = "") {
  ConvertOptions options;
  options.preprocess_json = preprocess;
  options.labels_file = labels;
  return ConvertFile(ModelFile(name).string(), out.string(), options);
}

// The last bytes of a .npy file of the shipped images: its data.
std::vector<uint8_t> Images() {
  std::ifstream file(ModelFile("digits_images.npy"), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file),
                          std::istreambuf_iterator<char>()};
  constexpr size_t kData = 2000 * kPixels;
  REQUIRE(bytes.size() > kData);
  return {bytes.end() - static_cast<ptrdiff_t>(kData), bytes.end()};
}

// Logits of the first images, normalised as models/common/mnist.py does.
std::vector<float> Logits(std::shared_ptr<const runtime::Model> model) {
  auto created = runtime::Session::Create(std::move(model), {});
  REQUIRE(created.ok());
  runtime::Session& session = *created.value();
  REQUIRE(session.Prepare().ok());
  const std::vector<uint8_t> images = Images();
  std::vector<float> logits;
  for (size_t i = 0; i < kImages; ++i) {
    auto input = session.Input(0);
    REQUIRE(input.ok());
    auto* x = static_cast<float*>(input.value().data);
    for (size_t p = 0; p < kPixels; ++p) {
      const auto pixel = static_cast<float>(images[i * kPixels + p]);
      x[p] = (pixel / 255.0f - 0.1307f) / 0.3081f;
    }
    REQUIRE(session.Run().ok());
    const auto output = session.Output(0);
    REQUIRE(output.ok());
    const auto* y = static_cast<const float*>(output.value().data);
    logits.insert(logits.end(), y, y + output.value().type->shape.Elements());
  }
  return logits;
}

std::vector<float> LogitsOfFile(const fs::path& path) {
  auto model = runtime::ReadModelFile(path.string());
  if (!model.ok()) FAIL(model.error().message);
  return Logits(std::move(model).value());
}

TEST_CASE("three exports of the trained digits model give one packed network") {
  std::vector<std::vector<float>> logits;
  for (const char* name :
       {"digits.onnx", "digits_dynamo.onnx", "digits_collapsed.onnx"}) {
    INFO(name);
    const fs::path out = Scratch(std::string(name) + ".bittern");
    const Result<Report> report = Convert(name, out);
    if (!report.ok()) FAIL(report.error().message);
    // 4 blocks of q, k, v, two attention products, proj, fc1, fc2; patch
    // embedding and two heads stay float, with a reason.
    CHECK(report.value().layers.size() == 35);
    const auto low_bit = std::count_if(
        report.value().layers.begin(), report.value().layers.end(),
        [](const LayerRecord& layer) { return layer.reason.empty(); });
    CHECK(low_bit == 32);
    CHECK(report.value().packed_bytes ==
          static_cast<int64_t>(fs::file_size(out)));
    CHECK(report.value().packed_bytes * 10 < report.value().source_bytes);
    logits.push_back(LogitsOfFile(out));
  }
  CHECK(logits[0] == logits[2]);
  CHECK(logits[1] == logits[2]);
}

TEST_CASE("the packed model answers as the float graph of the collapsed form") {
  const auto float_model =
      LoadFloatModel(ModelFile("digits_collapsed.onnx").string(), {});
  if (!float_model.ok()) FAIL(float_model.error().message);
  const fs::path out = Scratch("collapsed.bittern");
  REQUIRE(Convert("digits_collapsed.onnx", out).ok());
  const std::vector<float> packed = LogitsOfFile(out);
  const std::vector<float> reference = Logits(float_model.value());
  REQUIRE(packed.size() == reference.size());
  CHECK(packed == reference);
}

TEST_CASE("leftovers in int8: no float product is left, logits stay close") {
  ConvertOptions options;
  options.passes.leftovers_int8 = true;
  const fs::path out = Scratch("leftovers.bittern");
  const Result<Report> report =
      ConvertFile(ModelFile("digits.onnx").string(), out.string(), options);
  if (!report.ok()) FAIL(report.error().message);
  CHECK(report.value().macs_float == 0);
  int leftovers = 0;
  for (const LayerRecord& layer : report.value().layers) {
    INFO(layer.name);
    CHECK(layer.reason.empty());
    if (layer.pattern.find("leftover") == std::string::npos) continue;
    CHECK(layer.weights == "8 bit signed, exact");
    ++leftovers;
  }
  CHECK(leftovers == 3);  // patch embedding and two heads
  const fs::path plain = Scratch("plain.bittern");
  REQUIRE(Convert("digits.onnx", plain).ok());
  const std::vector<float> packed = LogitsOfFile(out);
  const std::vector<float> reference = LogitsOfFile(plain);
  REQUIRE(packed.size() == reference.size());
  const size_t classes = packed.size() / kImages;
  size_t same = 0;
  for (size_t i = 0; i < packed.size(); i += classes) {
    const auto best = [&](const std::vector<float>& logits) {
      const auto first = logits.begin() + static_cast<ptrdiff_t>(i);
      return std::max_element(first, first + static_cast<ptrdiff_t>(classes)) -
             first;
    };
    same += best(packed) == best(reference) ? 1 : 0;
  }
  CHECK(same * 100 >= kImages * 96);
}

TEST_CASE("a batch that the source leaves open is open in the file") {
  const auto source =
      fs::path(BITTERN_SOURCE_DIR) / "tests/data/onnx/class_token/model.onnx";
  const fs::path out = Scratch("class_token.bittern");
  ConvertOptions options;
  const auto shape_of = [&] {
    REQUIRE(ConvertFile(source.string(), out.string(), options).ok());
    auto model = runtime::ReadModelFile(out.string());
    REQUIRE(model.ok());
    const runtime::ModelDef& def = model.value()->def();
    return std::pair(
        model.value(),
        def.tensors[static_cast<size_t>(def.inputs[0])].type.shape);
  };
  auto [model, declared] = shape_of();
  REQUIRE(declared[0] == -1);
  auto session = runtime::Session::Create(model, {});
  REQUIRE(session.ok());
  declared[0] = 4;
  REQUIRE(session.value()->SetInputShape(0, declared).ok());
  REQUIRE(session.value()->Prepare().ok());
  CHECK(session.value()->Output(0).value().type->shape[0] == 4);

  declared[0] = 2;
  const runtime::ModelDef& def = model->def();
  options.import.shapes[def.tensors[static_cast<size_t>(def.inputs[0])].name] =
      declared;
  CHECK(shape_of().second == declared);
}

TEST_CASE("metadata, preprocessing and labels are in the file") {
  const fs::path out = Scratch("metadata.bittern");
  const fs::path json = Scratch("p.json"), labels = Scratch("labels.txt");
  WriteText(json, R"({"scale": 1, "mean": [0.5], "std": [2]})");
  WriteText(labels, "a\nb\n");
  REQUIRE(Convert("digits.onnx", out, json.string(), labels.string()).ok());
  const auto model = runtime::ReadModelFile(out.string());
  REQUIRE(model.ok());
  const runtime::ModelDef& def = model.value()->def();
  CHECK(def.labels == std::vector<std::string>{"a", "b"});
  REQUIRE(def.preprocess.size() == 1);
  CHECK(def.preprocess[0].width == 28);
  CHECK(def.preprocess[0].mean == std::vector<float>{0.5f});
  CHECK(def.metadata.at("source") == "digits.onnx");
  CHECK(def.metadata.at("source_sha256").size() == 64);
  CHECK(def.metadata.at("converter_version") == "0.1.0");
  CHECK(def.metadata.at("report").find("\"layers\"") != std::string::npos);
}

TEST_CASE("equal sources give equal bytes") {
  const auto bytes_of = [](const fs::path& out) {
    REQUIRE(Convert("digits.onnx", out).ok());
    std::ifstream file(out, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file),
                       std::istreambuf_iterator<char>()};
  };
  CHECK(bytes_of(Scratch("one.bittern")) == bytes_of(Scratch("two.bittern")));
}

TEST_CASE("a failure says what is wrong and leaves no file") {
  const fs::path out = Scratch("never.bittern");
  fs::remove(out);
  const auto message = [&](const Result<Report>& result) {
    CHECK_FALSE(fs::exists(out));
    return result.ok() ? std::string("no error") : result.error().message;
  };
  const std::string json = Scratch("bad.json").string();
  WriteText(json, R"({"size": 28})");
  CHECK(message(Convert("digits.onnx", out, json)).find("unknown key 'size'") !=
        std::string::npos);
  CHECK(message(Convert("digits.onnx", out, "", "/nowhere/labels.txt"))
            .find("cannot open '/nowhere/labels.txt'") != std::string::npos);
  CHECK(message(Convert("no_such.onnx", out)) != "no error");
  CHECK_FALSE(LoadFloatModel(ModelFile("no_such.onnx").string(), {}).ok());
}

}  // namespace
}  // namespace bittern::convert
