// The trained Q-ViT digits of 4, 3 and 2 bits from ONNX to answers: agreement
// with onnxruntime, every product on codes, no difference of a layer that a tie
// does not explain, the same bits on every target and thread count.
#include "tests/models/digits.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "converter/cli/comparison.h"
#include "tests/models/bivit/support.h"

namespace bittern::test {
namespace {

using convert::InputScale;

// Of the 2,000 held-out ones, so that emulated and checked builds end soon.
constexpr size_t kImages = 150;

Digits Convert(int bits, InputScale scale, const std::string& suffix = "") {
  const std::string b = std::to_string(bits);
  convert::PassOptions passes;
  passes.input_scale = scale;
  return ConvertDigitsFile(
      "models/qvit/digits_w" + b + "a" + b + suffix + ".onnx", passes);
}

cli::NpyArray Images() {
  return LoadNpy(SourcePath("models/bivit/digits_images.npy"));
}

}  // namespace

TEST_CASE("qvit digits: the answers of onnxruntime in exact mode") {
  const auto images = Images();
  for (int bits : {4, 3, 2}) {
    INFO(bits << " bits");
    const std::string b = std::to_string(bits);
    const auto expected = LoadNpy(
        SourcePath("models/qvit/digits_w" + b + "a" + b + "_answers.npy"));
    const auto answers =
        Answers(Convert(bits, InputScale::kExact), images, kImages);
    CHECK(Equal(answers, expected) >= kImages * 995 / 1000);
  }
}

TEST_CASE("qvit digits: faster modes keep the accuracy") {
  const auto images = Images();
  const auto labels = LoadNpy(SourcePath("models/bivit/digits_labels.npy"));
  for (int bits : {4, 3, 2}) {
    const size_t exact = Equal(
        Answers(Convert(bits, InputScale::kExact), images, kImages), labels);
    CHECK(exact >= kImages * 92 / 100);
    for (InputScale scale : {InputScale::kFast16, InputScale::kFast8}) {
      INFO(bits << " bits, mode " << static_cast<int>(scale));
      const size_t right =
          Equal(Answers(Convert(bits, scale), images, kImages), labels);
      CHECK(right + kImages * 3 / 100 >= exact);
    }
  }
}

TEST_CASE("qvit digits: every product runs on codes, in both exports") {
  for (const auto& [bits, suffix] :
       {std::pair{4, ""}, {3, ""}, {2, ""}, {2, "_dynamo"}}) {
    const Digits digits = Convert(bits, InputScale::kFast8, suffix);
    INFO(bits << " bits" << suffix);
    size_t attentions = 0;
    for (const convert::LayerRecord& layer : digits.report.layers) {
      INFO(layer.name << ": " << layer.reason);
      CHECK(layer.reason == "");
      CHECK(layer.weights.find("f32") == std::string::npos);
      attentions += layer.op == "Attention q*k" ? 1 : 0;
    }
    CHECK(attentions == 4);
    CHECK(digits.report.macs_float == 0);
  }
}

TEST_CASE("qvit digits: differences of layers are ties") {
  const auto images = Images();
  for (int bits : {4, 3, 2}) {
    INFO(bits << " bits");
    const std::string b = std::to_string(bits);
    const auto float_model = convert::LoadFloatModel(
        SourcePath("models/qvit/digits_w" + b + "a" + b + ".onnx"), {});
    REQUIRE(float_model.ok());
    const Digits digits = Convert(bits, InputScale::kExact);
    const auto cpu = kernels::DetectCpu();
    auto comparer =
        cli::Comparer::Make(MakeSession(float_model.value(), cpu, 1, true),
                            MakeSession(digits.model, cpu, 1, true));
    REQUIRE(comparer.ok());
    for (size_t i = 0; i < 4; ++i) {
      SetImage(comparer.value().packed(), images, i);
      REQUIRE(comparer.value().Run().ok());
    }
    const cli::Comparison& c = comparer.value().comparison();
    CHECK(c.tensors.size() >= 60);
    for (const cli::TensorComparison& tensor : c.tensors) {
      INFO(tensor.name << ": " << tensor.first);
      CHECK(tensor.unexplained == 0);
    }
  }
}

TEST_CASE("qvit digits: the same bits on every target and thread count") {
  const auto images = Images();
  for (InputScale scale :
       {InputScale::kExact, InputScale::kFast16, InputScale::kFast8}) {
    const Digits digits = Convert(3, scale);
    std::string expected;
    for (const Target& target : ExactTargets()) {
      for (size_t threads : {size_t{1}, size_t{2}, size_t{3}}) {
        INFO(target.name << ", " << threads << " thread(s)");
        const auto session =
            MakeSession(digits.model, target.cpu, threads, false);
        SetImage(*session, images, 5);
        REQUIRE(session->Run().ok());
        const std::string hash = HashOutput(*session, 0);
        if (expected.empty()) expected = hash;
        CHECK(hash == expected);
      }
    }
  }
}

}  // namespace bittern::test
