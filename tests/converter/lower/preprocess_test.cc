// Strict reading of preprocessing and labels: defaults, agreement with the
// input, and an error that names every wrong key or value.
#include "converter/lower/preprocess.h"

#include <catch2/catch.hpp>

namespace bittern::convert {
namespace {

using runtime::DType;
using runtime::Preprocess;
using runtime::Shape;

runtime::ModelDef ImageModel(const Shape& shape) {
  runtime::ModelDef def;
  def.tensors.push_back({"tokens", {DType::kI64, {1, 4}, {}}, nullptr});
  def.tensors.push_back({"image", {DType::kF32, shape, {}}, nullptr});
  def.inputs = {1, 0};
  return def;
}

std::string Message(const std::string& json) {
  const auto parsed =
      ParsePreprocess(json, "p.json", ImageModel({1, 3, 32, 24}));
  return parsed.ok() ? "no error" : parsed.error().message;
}

TEST_CASE("sizes, scale, mean and std default to the input's and to none") {
  const auto parsed =
      ParsePreprocess("{}", "p.json", ImageModel({1, 3, 32, 24}));
  REQUIRE(parsed.ok());
  Preprocess expected;
  expected.width = 24;
  expected.height = 32;
  expected.mean = {0, 0, 0};
  expected.std = {1, 1, 1};
  CHECK(parsed.value() == expected);
}

TEST_CASE("everything given is taken") {
  const auto parsed = ParsePreprocess(
      R"({"input": "image", "width": 24, "height": 32, "channels": 1,
          "resize": "bicubic", "resize_shorter": 40, "scale": 0.5,
          "mean": [0.25], "std": [2], "layout": "nchw"})",
      "p.json", ImageModel({1, 1, 32, 24}));
  REQUIRE(parsed.ok());
  const Preprocess& p = parsed.value();
  CHECK(p.input == 0);
  CHECK(p.channels == 1);
  CHECK(p.resize == Preprocess::Resize::kBicubic);
  CHECK(p.resize_shorter == 40);
  CHECK(p.scale == 0.5f);
  CHECK(p.mean == std::vector<float>{0.25f});
  CHECK(p.std == std::vector<float>{2.0f});
}

TEST_CASE("errors name the key, what was found and what is expected") {
  CHECK(Message("[1]") ==
        "p.json: got text that is no JSON object, expected {...}");
  CHECK(Message("{\"width\": 24") ==
        "p.json: got text that is no JSON object, expected {...}");
  CHECK(Message(R"({"crop": true})") ==
        "p.json: got unknown key 'crop', expected input, width, height, "
        "channels, resize, resize_shorter, fit, scale, mean, std or layout");
  CHECK(Message(R"({"width": "24"})") ==
        "p.json: key 'width': got \"24\", expected a whole number 1..65536");
  CHECK(Message(R"({"width": 23})") ==
        "p.json: key 'width': got 23, expected 24, as input 'image' of "
        "f32[1,3,32,24]");
  CHECK(Message(R"({"height": 0})") ==
        "p.json: key 'height': got 0, expected a whole number 1..65536");
  CHECK(Message(R"({"resize": "area"})") ==
        "p.json: key 'resize': got \"area\", expected \"none\", \"bilinear\" "
        "or \"bicubic\"");
  CHECK(Message(R"({"resize_shorter": 40})") ==
        "p.json: key 'resize_shorter': got 40, expected a filter in 'resize' "
        "with it");
  CHECK(Message(R"({"fit": "crop"})") ==
        "p.json: key 'fit': got \"crop\", expected \"stretch\" or \"pad\"");
  CHECK(Message(R"({"fit": "pad"})") ==
        "p.json: key 'fit': got \"pad\", expected a filter in 'resize' with "
        "it, and no 'resize_shorter'");
  CHECK(Message(R"({"scale": null})") ==
        "p.json: key 'scale': got null, expected a number");
  CHECK(Message(R"({"mean": [0.5]})") ==
        "p.json: key 'mean': got [0.5], expected 3 numbers");
  CHECK(Message(R"({"mean": [0, 0, "x"]})") ==
        "p.json: key 'mean': got \"x\", expected a number");
  CHECK(Message(R"({"std": 1})") ==
        "p.json: key 'std': got 1, expected a list of numbers");
  CHECK(Message(R"({"std": [1, 0, 1]})") ==
        "p.json: key 'std': got [1,0,1], expected no zero, for it divides");
  CHECK(Message(R"({"layout": "nhwc"})") ==
        "p.json: key 'layout': got \"nhwc\", expected \"nchw\"");
  CHECK(Message(R"({"input": "other"})") ==
        "p.json: key 'input': got \"other\", expected the name of an input of "
        "the model");
  CHECK(Message(R"({"input": "tokens"})") ==
        "p.json: input 'tokens' is i64[1,4], expected an image f32[N,C,H,W]");
}

TEST_CASE("an input with other channels, or no input, cannot take images") {
  const auto two = ParsePreprocess("{}", "p.json", ImageModel({1, 2, 8, 8}));
  REQUIRE_FALSE(two.ok());
  CHECK(two.error().message ==
        "p.json: the input has 2 channels, expected 1 or 3");
  const auto none = ParsePreprocess("{}", "p.json", {});
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().message == "p.json: the model has no input");
}

TEST_CASE("labels are lines, of either kind of line end") {
  const auto labels = ParseLabels("zero\r\none\n\ntwo words\n\n", "l.txt");
  REQUIRE(labels.ok());
  CHECK(labels.value() ==
        std::vector<std::string>{"zero", "one", "", "two words"});
  const auto none = ParseLabels("\n\n", "l.txt");
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().message ==
        "l.txt: got no labels, expected one class per line");
}

}  // namespace
}  // namespace bittern::convert
