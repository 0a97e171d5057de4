// FindDetections: scores, boxes, order, threshold, pixels of the image, and
// what is refused.
#include "runtime/exec/detections.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/runtime/exec/open_session.h"
#include "tests/runtime/model/model_builder.h"

namespace bittern::runtime {
namespace {

using Boxes = Postprocess::Boxes;
using Scores = Postprocess::Scores;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// Outputs that are inputs 1 and 2; input 0 stands for the image.
std::unique_ptr<Session> Detector(const Shape& scores, const Shape& boxes,
                                  Postprocess postprocess) {
  test::ModelBuilder b;
  b.Input("image", {1, 1, 4, 4});
  const int32_t s = b.Input("s", scores), r = b.Input("r", boxes);
  b.Output(b.Op("Relu", "unused", {s}), scores);
  const int32_t zero = b.Constant<float>("zero", b.F32({1}), {0});
  b.Output(b.Op("Add", "boxes", {r, zero}), boxes);
  b.Output(b.Op("Add", "scores", {s, zero}), scores);
  b.def.preprocess = {
      {0, 4, 4, 1, Preprocess::Resize::kBilinear, 0, 1, {0}, {1}}};
  b.def.preprocess[0].pad = true;
  postprocess.scores = 2;
  postprocess.boxes = 1;
  b.def.postprocess = postprocess;
  return test::Open(b.Make());
}

std::unique_ptr<Session> After(const Shape& shape,
                               const std::vector<float>& scores,
                               const std::vector<float>& boxes,
                               Postprocess postprocess = {}) {
  auto session = Detector(shape, {shape[0], shape[1], 4}, postprocess);
  test::Write(*session, 0, std::vector<float>(16));
  test::Write(*session, 1, scores);
  test::Write(*session, 2, boxes);
  test::Run(*session);
  return session;
}

std::vector<Detection> Found(Session& session, float threshold,
                             int32_t width = 0, int32_t height = 0,
                             size_t sample = 0) {
  auto found = FindDetections(session, sample, threshold, width, height);
  INFO(found.error().message);
  REQUIRE(found.ok());
  return std::move(found).value();
}

void CheckBox(const Detection& d, std::vector<float> expected) {
  CHECK(d.left == Approx(expected[0]).margin(1e-6));
  CHECK(d.top == Approx(expected[1]).margin(1e-6));
  CHECK(d.right == Approx(expected[2]).margin(1e-6));
  CHECK(d.bottom == Approx(expected[3]).margin(1e-6));
}

TEST_CASE("softmax: the last class is no object") {
  const auto session = After({1, 3, 3},
                             {1, 3, 2,    // class 1
                              0, 1, 5,    // class 1, but most likely nothing
                              4, -2, 1},  // class 0
                             {0.5f, 0.25f, 0.5f, 0.25f,  //
                              0.1f, 0.2f, 0.3f, 0.4f,    //
                              0.25f, 0.75f, 0.25f, 0.5f});
  const auto all = Found(*session, 0);
  REQUIRE(all.size() == 3);
  const double zero = std::exp(4) / (std::exp(4) + std::exp(-2) + std::exp(1));
  CHECK(all[0].label == 0);
  CHECK(all[0].query == 2);
  CHECK(all[0].score == Approx(zero));
  CheckBox(all[0], {0.125f, 0.5f, 0.375f, 1});
  CHECK(all[1].label == 1);
  CHECK(all[1].query == 0);
  CHECK(all[1].score ==
        Approx(std::exp(3) / (std::exp(1) + std::exp(3) + std::exp(2))));
  CheckBox(all[1], {0.25f, 0.125f, 0.75f, 0.375f});
  CHECK(all[2].query == 1);
  CHECK(Found(*session, 0.5f).size() == 2);
  CHECK(Found(*session, all[1].score).size() == 2);
  CHECK(Found(*session, 0.99f).empty());
}

TEST_CASE("sigmoid and corners; equals in the order of queries") {
  const auto session =
      After({1, 3, 2}, {0, 1, 2, 1, 2, -1},
            {0, 0, 1, 1, 0.5f, 0.25f, 1, 0.75f, 0, 0, 0.5f, 0.5f},
            {.score_kind = Scores::kSigmoid, .box_kind = Boxes::kCorners});
  const auto all = Found(*session, 0.5f);
  REQUIRE(all.size() == 3);
  CHECK(all[0].query == 1);
  CHECK(all[0].label == 0);
  CHECK(all[0].score == Approx(1 / (1 + std::exp(-2.0))));
  CheckBox(all[0], {0.5f, 0.25f, 1, 0.75f});
  CHECK(all[1].query == 2);
  CHECK(all[1].score == all[0].score);
  CHECK(all[2].label == 1);
}

TEST_CASE("boxes in pixels of a padded image are clipped into it") {
  // 8 x 2 pixels fill 4 x 1 of the input's 4 x 4.
  const auto session =
      After({1, 2, 1}, {3, 2}, {0.5f, 0.125f, 0.5f, 0.125f, 0.5f, 0.5f, 2, 2},
            {.score_kind = Scores::kSigmoid});
  const auto all = Found(*session, 0, 8, 2);
  REQUIRE(all.size() == 2);
  CheckBox(all[0], {2, 0.5f, 6, 1.5f});
  CheckBox(all[1], {0, 0, 8, 2});
}

TEST_CASE("images without an area are refused") {
  const auto session =
      After({1, 1, 1}, {3}, {0, 0, 0, 0}, {.score_kind = Scores::kSigmoid});
  for (const auto& [width, height] :
       {std::pair{80, 0}, {0, 16}, {-1, 16}, {16, -1}}) {
    CHECK(FindDetections(*session, 0, 0, width, height)
              .error()
              .message.find("expected 1 or more each, or 0 x 0") !=
          std::string::npos);
  }
}

TEST_CASE("each sample of a batch") {
  const auto session = After({2, 1, 1}, {1, 3}, {0, 0, 0, 0, 0.5f, 0.5f, 1, 1},
                             {.score_kind = Scores::kSigmoid});
  CheckBox(Found(*session, 0, 0, 0, 1).at(0), {0, 0, 1, 1});
  CHECK(FindDetections(*session, 2, 0, 0, 0).error().message ==
        "detections: got sample 2, expected 0 to 2 exclusive");
}

TEST_CASE("scores that are no numbers are no detections") {
  const std::vector<float> boxes(4 * 4, 0.5f);
  for (const Scores kind : {Scores::kSoftmax, Scores::kSigmoid}) {
    const auto session =
        After({1, 4, 2}, {kNan, 1, 1, kNan, 9, 1, -kInf, -kInf}, boxes,
              {.score_kind = kind});
    const auto all = Found(*session, 0.01f);
    REQUIRE(all.size() == 1);
    CHECK(all[0].query == 2);
  }
  // Only "no object" is left of one class.
  CHECK(Found(*After({1, 4, 1}, {1, 2, 3, 4}, boxes), 0).empty());
}

TEST_CASE("boxes that are no numbers are refused") {
  const auto session = After({1, 2, 1}, {-1, 3}, {kNan, 0, 0, 0, 0, 0, kInf, 0},
                             {.score_kind = Scores::kSigmoid});
  CHECK(FindDetections(*session, 0, 0.5f, 0, 0).error().message ==
        "detections: box 1 is not finite");
  CHECK(FindDetections(*session, 0, 0, 0, 0).error().message ==
        "detections: box 0 is not finite");
  CHECK(Found(*session, 0.99f).empty());
}

TEST_CASE("outputs of other shapes, and models without post-processing") {
  const auto error = [](const Shape& scores, const Shape& boxes) {
    const auto session = Detector(scores, boxes, {});
    test::Run(*session);
    return FindDetections(*session, 0, 0, 0, 0).error().message;
  };
  CHECK(error({1, 3}, {1, 3, 4}) ==
        "detections: scores are f32[1,3], expected f32 [N,Q,..]");
  CHECK(error({1, 3, 2}, {4}) ==
        "detections: boxes are f32[4], expected f32 [N,Q,..]");
  for (const Shape& boxes : {Shape{1, 2, 4}, {2, 3, 4}, {1, 3, 5}}) {
    CHECK(error({1, 3, 2}, boxes).find("expected [N,Q,C] and [N,Q,4]") !=
          std::string::npos);
  }
  CHECK(error({0, 3, 2}, {0, 3, 4}) ==
        "detections: got sample 0, expected 0 to 0 exclusive");
  test::ModelBuilder b;
  b.Output(b.Op("Neg", "y", {b.Input("x", {1})}), {1});
  const auto plain = test::Open(b.Make());
  CHECK(FindDetections(*plain, 0, 0, 0, 0).error().code == Code::kUnsupported);
}

}  // namespace
}  // namespace bittern::runtime
