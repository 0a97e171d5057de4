// Strict reading of post-processing: defaults, names, kinds, shapes.
#include "converter/lower/postprocess.h"

#include <catch2/catch.hpp>

namespace bittern::convert {
namespace {

using runtime::DType;
using runtime::ModelDef;
using runtime::Postprocess;
using runtime::Shape;

ModelDef Detector(const Shape& boxes = {1, 5, 4}) {
  ModelDef def;
  const auto add = [&](const char* name, const Shape& shape) {
    def.tensors.push_back({name, {DType::kF32, shape, {}}, nullptr});
    return static_cast<int32_t>(def.tensors.size()) - 1;
  };
  def.inputs = {add("image", {1, 3, 8, 8}), add("other", {1, 4})};
  def.outputs = {add("features", {1, 7}), add("boxes", boxes),
                 add("logits", {1, 5, 3})};
  return def;
}

std::string Message(const char* json, const ModelDef& def = Detector()) {
  const auto parsed = ParsePostprocess(json, "p.json", def);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().code == runtime::Code::kInvalidArgument);
  return parsed.error().message;
}

TEST_CASE("post-processing of DETR is the default") {
  const auto parsed = ParsePostprocess("{}", "p.json", Detector());
  REQUIRE(parsed.ok());
  CHECK((parsed.value() == Postprocess{0, 2, 1, Postprocess::Scores::kSoftmax,
                                       Postprocess::Boxes::kCentre}));
}

TEST_CASE("post-processing: every key") {
  const auto parsed = ParsePostprocess(
      R"({"input": "other", "scores": "logits", "boxes": "boxes",
          "score_kind": "sigmoid", "box_kind": "xyxy"})",
      "p.json", Detector());
  REQUIRE(parsed.ok());
  CHECK((parsed.value() == Postprocess{1, 2, 1, Postprocess::Scores::kSigmoid,
                                       Postprocess::Boxes::kCorners}));
}

TEST_CASE("post-processing: what is wrong is named") {
  CHECK(Message("[]") ==
        "p.json: got text that is no JSON object, expected {...}");
  CHECK(Message(R"({"nms": 0.5})") ==
        "p.json: got unknown key 'nms', expected scores, boxes, input, "
        "score_kind or box_kind");
  CHECK(Message(R"({"scores": "x"})") ==
        "p.json: key 'scores': got \"x\", expected the name of an output of "
        "the model");
  CHECK(Message(R"({"scores": "boxes"})") ==
        "p.json: key 'scores': got \"boxes\", expected another output than "
        "boxes");
  CHECK(Message(R"({"input": 0})") ==
        "p.json: key 'input': got 0, expected the name of an input of the "
        "model");
  CHECK(Message(R"({"score_kind": "relu"})") ==
        "p.json: key 'score_kind': got \"relu\", expected \"softmax\" or "
        "\"sigmoid\"");
  CHECK(Message(R"({"box_kind": 4})") ==
        "p.json: key 'box_kind': got 4, expected \"cxcywh\" or \"xyxy\"");
  CHECK(Message(R"({"scores": "features"})") ==
        "p.json: scores 'features' are f32[1,7] and boxes 'boxes' are "
        "f32[1,5,4], expected f32[N,Q,C] and f32[N,Q,4]");
  CHECK(Message("{}", Detector({1, 6, 4})).find("f32[1,6,4]") !=
        std::string::npos);
  CHECK(Message("{}", Detector({1, 5, 3})).find("f32[1,5,3]") !=
        std::string::npos);
}

}  // namespace
}  // namespace bittern::convert
