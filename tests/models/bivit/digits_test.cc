// The trained digits network from ONNX to answers: accuracy, agreement with
// onnxruntime on the collapsed graph, every product on 1-bit kernels, the same
// bits on every target and thread count.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "converter/convert.h"
#include "runtime/format/reader.h"
#include "tests/models/bivit/support.h"

namespace bittern::test {
namespace {

constexpr size_t kImages = 2000;
constexpr size_t kPixels = 28 * 28;

struct Digits {
  convert::Report report;
  std::shared_ptr<const runtime::Model> model;
};

Digits ConvertDigits(const std::string& file) {
  const auto packed = std::filesystem::temp_directory_path() /
                      (std::to_string(getpid()) + ".digits.bittern");
  convert::ConvertOptions options;
  options.preprocess_json = SourcePath("models/bivit/digits.json");
  options.labels_file = SourcePath("models/bivit/labels.txt");
  auto report = convert::ConvertFile(SourcePath("models/bivit/" + file),
                                     packed.string(), options);
  INFO(report.error().message);
  REQUIRE(report.ok());
  auto model = runtime::ReadModelFile(packed.string());
  INFO(model.error().message);
  REQUIRE(model.ok());
  std::filesystem::remove(packed);
  return {std::move(report).value(), std::move(model).value()};
}

void SetImage(runtime::Session& session, const cli::NpyArray& images,
              size_t index) {
  REQUIRE(
      session
          .SetImage(0, {images.bytes.data() + index * kPixels, 28, 28, 1, 28})
          .ok());
}

uint8_t Answer(runtime::Session& session) {
  auto view = session.Output(0);
  REQUIRE(view.ok());
  const auto* scores = static_cast<const float*>(view.value().data);
  return static_cast<uint8_t>(std::max_element(scores, scores + 10) - scores);
}

std::vector<uint8_t> Answers(const Digits& digits, const cli::NpyArray& images,
                             size_t count) {
  const auto session =
      MakeSession(digits.model, kernels::DetectCpu(), 1, false);
  std::vector<uint8_t> answers;
  for (size_t i = 0; i < count; ++i) {
    SetImage(*session, images, i);
    REQUIRE(session->Run().ok());
    answers.push_back(Answer(*session));
  }
  return answers;
}

size_t Equal(const std::vector<uint8_t>& answers,
             const cli::NpyArray& expected) {
  size_t equal = 0;
  for (size_t i = 0; i < answers.size(); ++i)
    equal += answers[i] == expected.bytes[i];
  return equal;
}

}  // namespace

TEST_CASE(
    "digits: accuracy and agreement with onnxruntime on 2,000 held-out "
    "images") {
  const auto images = LoadNpy(SourcePath("models/bivit/digits_images.npy"));
  const auto labels = LoadNpy(SourcePath("models/bivit/digits_labels.npy"));
  const auto collapsed = LoadNpy(SourcePath(
      "models/bivit/digits_collapsed_answers.npy"));  // onnxruntime on
                                                      // digits_collapsed.onnx
  const auto raw = LoadNpy(SourcePath(
      "models/bivit/digits_raw_answers.npy"));  // onnxruntime on digits.onnx
  REQUIRE(images.bytes.size() == kImages * kPixels);
  REQUIRE(labels.bytes.size() == kImages);
  const std::vector<uint8_t> answers =
      Answers(ConvertDigits("digits.onnx"), images, kImages);
  CHECK(Equal(answers, collapsed) >= kImages * 995 / 1000);
  const size_t right = Equal(answers, labels);
  CHECK(right >= kImages * 94 / 100);
  size_t raw_right = 0;
  for (size_t i = 0; i < kImages; ++i)
    raw_right += raw.bytes[i] == labels.bytes[i];
  CHECK(right + kImages * 15 / 1000 >= raw_right);
}

TEST_CASE("digits: the three exports give the same answers") {
  const auto images = LoadNpy(SourcePath("models/bivit/digits_images.npy"));
  constexpr size_t kSome = 200;
  const std::vector<uint8_t> answers =
      Answers(ConvertDigits("digits.onnx"), images, kSome);
  CHECK(Answers(ConvertDigits("digits_dynamo.onnx"), images, kSome) == answers);
  CHECK(Answers(ConvertDigits("digits_collapsed.onnx"), images, kSome) ==
        answers);
}

TEST_CASE(
    "digits: every linear layer and both attention products run on 1-bit "
    "kernels") {
  const Digits digits = ConvertDigits("digits.onnx");
  size_t low_bit = 0, in_float = 0;
  for (const convert::LayerRecord& layer : digits.report.layers) {
    INFO(layer.name << " " << layer.op << ": " << layer.reason);
    if (layer.reason.empty()) {
      ++low_bit;
      CHECK(layer.weights.find("f32") == std::string::npos);
      CHECK_FALSE(layer.kernel.empty());
    } else {
      ++in_float;
    }
  }
  size_t linears = 0, attentions = 0;
  for (const auto& op : digits.model->def().ops) {
    linears += op.op == "LowBitLinear";
    attentions += op.op == "BinaryAttention";
  }
  CHECK(attentions >= 2);
  CHECK(linears == 6 * attentions);  // q, k, v, proj, fc1, fc2
  CHECK(low_bit >= 6 * attentions);  // qkv, proj, fc1, fc2 and the two products
  CHECK(in_float <=
        3);  // patch embedding and the head(s) are float in the source network
}

TEST_CASE(
    "digits: the oracle's codes and accumulators, bit for bit, on every target "
    "and thread count") {
  const Digits digits = ConvertDigits("digits.onnx");
  const auto images = LoadNpy(SourcePath("models/bivit/digits_images.npy"));
  const std::string oracle = SourcePath("models/bivit/digits_oracle.json");
  for (const Target& target : ExactTargets()) {
    for (size_t threads : {size_t{1}, size_t{2}}) {
      INFO(target.name << ", " << threads << " thread(s)");
      const auto session = MakeSession(digits.model, target.cpu, threads, true);
      for (size_t image : {size_t{0}, size_t{1}}) {
        SetImage(*session, images, image);
        REQUIRE(session->Run().ok());
        CheckOracle(*session, target.cpu, oracle, image);
      }
    }
  }
}

}  // namespace bittern::test
