// The trained TerViT digits (ternary weights; 8-bit activations static, per
// token or none) from ONNX to answers: agreement with onnxruntime, products on
// codes, no difference of a layer that a tie does not explain, the same bits on
// every target.
#include "tests/models/digits.h"

#include <catch2/catch.hpp>

#include "converter/cli/comparison.h"
#include "tests/models/bivit/support.h"

namespace bittern::test {
namespace {

// Of the 2,000 held-out ones, so that emulated and checked builds end soon.
constexpr size_t kImages = 150;

struct Variant {
  const char* name;
  const char* answers;
  bool attention_on_codes;  // as the exported network quantises it
};
constexpr Variant kVariants[] = {{"static", "static", true},
                                 {"static_qdq", "static", true},
                                 {"dynamic", "dynamic", false},
                                 {"float", "float", false}};

std::string FileOf(const Variant& variant) {
  return std::string("models/tervit/digits_") + variant.name + ".onnx";
}

cli::NpyArray Images() {
  return LoadNpy(SourcePath("models/bivit/digits_images.npy"));
}

}  // namespace

TEST_CASE("tervit digits: the answers of onnxruntime") {
  const auto images = Images();
  const auto labels = LoadNpy(SourcePath("models/bivit/digits_labels.npy"));
  for (const Variant& variant : kVariants) {
    INFO(variant.name);
    const auto expected =
        LoadNpy(SourcePath(std::string("models/tervit/digits_") +
                           variant.answers + "_answers.npy"));
    const auto answers =
        Answers(ConvertDigitsFile(FileOf(variant), {}), images, kImages);
    CHECK(Equal(answers, expected) >= kImages * 99 / 100);
    CHECK(Equal(answers, labels) >= kImages * 94 / 100);
  }
}

TEST_CASE("tervit digits: ternary weights on low-bit kernels") {
  for (const Variant& variant : kVariants) {
    INFO(variant.name);
    const Digits digits = ConvertDigitsFile(FileOf(variant), {});
    size_t ternary = 0, in_float = 0;
    for (const convert::LayerRecord& layer : digits.report.layers) {
      INFO(layer.name << ": " << layer.reason);
      ternary += layer.weights.starts_with("ternary") ? 1 : 0;
      in_float += layer.reason.empty() ? 0 : 1;
    }
    CHECK(ternary >= 16);
    CHECK(in_float == (variant.attention_on_codes ? 0 : 8));
    for (const auto& tensor : digits.model->def().tensors) {
      if (tensor.type.code.encoding != runtime::Encoding::kTernary) continue;
      // Five trits a byte.
      CHECK(runtime::ByteSize(tensor.type) ==
            static_cast<size_t>(tensor.type.shape[0] *
                                ((tensor.type.shape[1] + 4) / 5)));
    }
  }
}

TEST_CASE("tervit digits: differences of layers are ties") {
  const auto images = Images();
  for (const Variant& variant : kVariants) {
    INFO(variant.name);
    const auto float_model =
        convert::LoadFloatModel(SourcePath(FileOf(variant)), {});
    REQUIRE(float_model.ok());
    const Digits digits = ConvertDigitsFile(FileOf(variant), {});
    const auto cpu = kernels::DetectCpu();
    auto comparer =
        cli::Comparer::Make(MakeSession(float_model.value(), cpu, 1, true),
                            MakeSession(digits.model, cpu, 1, true));
    REQUIRE(comparer.ok());
    for (size_t i = 0; i < 4; ++i) {
      SetImage(comparer.value().packed(), images, i);
      REQUIRE(comparer.value().Run().ok());
    }
    for (const auto& tensor : comparer.value().comparison().tensors) {
      INFO(tensor.name << ": " << tensor.first);
      CHECK(tensor.unexplained == 0);
    }
  }
}

TEST_CASE("tervit digits: the same bits on every target and thread count") {
  const auto images = Images();
  for (const Variant& variant : kVariants) {
    const Digits digits = ConvertDigitsFile(FileOf(variant), {});
    std::string expected;
    for (const Target& target : ExactTargets()) {
      for (size_t threads : {size_t{1}, size_t{2}}) {
        INFO(variant.name << " on " << target.name << ", " << threads
                          << " thread(s)");
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
