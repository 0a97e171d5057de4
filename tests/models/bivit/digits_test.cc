// The trained digits network from ONNX to answers: accuracy, agreement with
// onnxruntime on the collapsed graph, every product on 1-bit kernels, the same
// bits on every target and thread count.
#include "tests/models/digits.h"

#include <catch2/catch.hpp>

#include "tests/models/bivit/support.h"

namespace bittern::test {
namespace {

constexpr size_t kImages = 2000;

Digits ConvertDigits(const std::string& file) {
  return ConvertDigitsFile("models/bivit/" + file, {});
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
  REQUIRE(images.bytes.size() == kImages * kDigitPixels);
  REQUIRE(labels.bytes.size() == kImages);
  const std::vector<uint8_t> answers =
      Answers(ConvertDigits("digits.onnx"), images, kImages);
  CHECK(Equal(answers, collapsed) >= kImages * 995 / 1000);
  const size_t right = Equal(answers, labels);
  CHECK(right >= kImages * 94 / 100);
  const size_t raw_right = Equal(raw.bytes, labels);
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
