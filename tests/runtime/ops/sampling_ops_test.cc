// Resample, GridSample, RoiAlign, NonMaxSuppression; the C library's functions.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tests/runtime/ops/op_runner.h"

namespace bittern::test {
namespace {

using runtime::DType;
using runtime::Shape;
using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST_CASE("Resample sums weighted elements along an axis") {
  const Value x = Iota({2, 3});
  const Value i = Constant(I64({2, 2}, {0, 1, 2, 2}));
  const Value w = Constant(F32({2, 2}, {0.5f, 0.5f, 1, -1}));
  CHECK(Run({"Resample", {x, i, w}, {{"axis", int64_t{1}}}}).Floats() ==
        Floats{0.5f, 0, 3.5f, 0});
  const Value rows = Constant(I64({1, 2}, {0, 1}));
  const Value sums = Constant(F32({1, 2}, {1, 2}));
  CHECK(Run({"Resample", {x, rows, sums}, {{"axis", int64_t{0}}}, 1, 2})
            .Floats() == Floats{6, 9, 12});
  CHECK(ErrorOf({"Resample", {x, i, w}, {{"axis", int64_t{0}}}}) ==
        "input indices: got 2, expected 0 to 1");
  CHECK(ErrorOf({"Resample", {x, rows, w}, {{"axis", int64_t{0}}}}) ==
        "input weights: got f32[2,2], expected f32[1,2]");
}

Floats Sampled(const char* mode, const char* padding, int64_t align,
               const Floats& places) {
  const Value x = F32({1, 1, 2, 2}, {1, 2, 3, 4});
  const auto count = static_cast<int64_t>(places.size() / 2);
  return Run({"GridSample",
              {x, F32({1, 1, count, 2}, places)},
              {{"mode", std::string(mode)},
               {"padding_mode", std::string(padding)},
               {"align_corners", align}}})
      .Floats();
}

TEST_CASE("GridSample interpolates and pads") {
  const Floats inside = {-1, -1, 1, 1, 0, 0, 1, -1};
  CHECK(Sampled("bilinear", "zeros", 1, inside) == Floats{1, 4, 2.5f, 2});
  CHECK(Sampled("bilinear", "zeros", 0, inside) ==
        Floats{0.25f, 1, 2.5f, 0.5f});
  CHECK(Sampled("bilinear", "border", 0, inside) == Floats{1, 4, 2.5f, 2});
  CHECK(Sampled("nearest", "zeros", 1, {-0.6f, -1, 0.6f, 1}) == Floats{1, 4});
  CHECK(Sampled("bicubic", "zeros", 1, {-1, -1, 1, 1}) == Floats{1, 4});
  // Mirrored at the centres of the corners: one beyond the right is the left.
  CHECK(Sampled("bilinear", "reflection", 1, {3, -1}) == Floats{1});
  // Nowhere and far away.
  const Floats odd = {kNan, 0, 1e30f, 0, -1e30f, 0};
  CHECK(Sampled("bilinear", "zeros", 0, odd) == Floats{0, 0, 0});
  for (const char* mode : {"nearest", "bilinear", "bicubic"}) {
    for (const char* padding : {"border", "reflection"}) {
      for (float value : Sampled(mode, padding, 0, odd)) {
        CHECK((value >= 0.0f && value <= 5.0f));
      }
    }
  }
  CHECK(ErrorOf({"GridSample",
                 {Iota({1, 1, 2, 2}), Iota({1, 1, 1, 2})},
                 {{"mode", std::string("area")}}}) ==
        "mode: got \"area\", expected nearest, bilinear or bicubic");
  CHECK(ErrorOf({"GridSample", {Iota({1, 1, 2, 2}), Iota({2, 1, 1, 2})}}) ==
        "input grid: got f32[2,1,1,2], expected [1,height,width,2]");
}

TEST_CASE("RoiAlign averages samples of each bin") {
  const Value x = Iota({1, 1, 4, 4});  // x[h][w] = 4 h + w
  const Value roi = F32({1, 4}, {0.5f, 0.5f, 2.5f, 2.5f});
  const auto run = [&](const Value& rois, runtime::AttributeMap attributes) {
    attributes["output_height"] = int64_t{1};
    attributes["output_width"] = int64_t{2};
    return Run({"RoiAlign", {x, rois, I64({1}, {7})}, attributes}).Floats();
  };
  // Bins of x 0..1 and 1..2, y 0..2: their centres, as x is linear.
  CHECK(run(roi, {{"sampling_ratio", int64_t{1}}}) == Floats{4.5f, 5.5f});
  CHECK(run(roi, {{"sampling_ratio", int64_t{2}}}) == Floats{4.5f, 5.5f});
  CHECK(run(roi, {}) == Floats{4.5f, 5.5f});
  // A region outside, and one without numbers, hold zeros and finish.
  CHECK(run(F32({1, 4}, {100, 100, 1e30f, 1e30f}), {}) == Floats{0, 0});
  CHECK(run(F32({1, 4}, {kNan, 0, 1, 1}), {}) == Floats{0, 0});
  CHECK(ErrorOf(
            {"RoiAlign",
             {x, Iota({1, 3}), I64({1}, {0})},
             {{"output_height", int64_t{1}}, {"output_width", int64_t{1}}}}) ==
        "input rois: got f32[1,3], expected [regions,4]");
  CHECK(ErrorOf(
            {"RoiAlign",
             {x, roi, I64({1}, {0})},
             {{"output_height", int64_t{0}}, {"output_width", int64_t{1}}}}) ==
        "output_height: got 0, expected 1 to 16777216");
}

TEST_CASE("NonMaxSuppression keeps the best of overlapping boxes") {
  const Value boxes = F32({1, 3, 4}, {0, 0, 1, 1, 0.9f, 1, 0, 0, 5, 5, 6, 6});
  const Value scores = F32({1, 1, 3}, {0.5f, 0.9f, 0.2f});
  // The rows that count; the others are zeros up to the bound.
  const auto kept = [](const std::vector<Value>& outputs) {
    Ints rows = outputs[0].As<int64_t>();
    const auto used = static_cast<size_t>(3 * outputs[1].As<int64_t>()[0]);
    CHECK(std::all_of(rows.begin() + static_cast<ptrdiff_t>(used), rows.end(),
                      [](int64_t i) { return i == 0; }));
    rows.resize(used);
    return rows;
  };
  const auto run = [&](runtime::AttributeMap attributes) {
    attributes["iou_threshold"] = 0.5f;
    return kept(RunAll({"NonMaxSuppression", {boxes, scores}, attributes, 2}));
  };
  const std::string limit = "max_output_boxes_per_class";
  CHECK(run({{limit, int64_t{3}}}) == Ints{0, 0, 1, 0, 0, 2});
  CHECK(run({{limit, int64_t{1}}}) == Ints{0, 0, 1});
  CHECK(run({{limit, int64_t{3}}, {"score_threshold", 0.3f}}) == Ints{0, 0, 1});
  CHECK(run({{limit, int64_t{0}}}).empty());
  CHECK(run({{limit, int64_t{3}}, {"score_threshold", 2.0f}}).empty());
  const Value three = Constant(I64({1}, {3}));
  CHECK(kept(RunAll({"NonMaxSuppression",
                     {boxes, scores, three, F32({1}, {0.5f}), F32({}, {0.3f})},
                     {},
                     2})) == Ints{0, 0, 1});
  CHECK(kept(RunAll({"NonMaxSuppression",
                     {F32({1, 0, 4}, {}), F32({1, 2, 0}, {}), three},
                     {},
                     2}))
            .empty());
  CHECK(ErrorOf({"NonMaxSuppression",
                 {boxes, scores, three, F32({2}, {0, 0})},
                 {},
                 2}) == "input iou_threshold: got f32[2], expected one f32");
}

TEST_CASE("Functions of the C library") {
  const Value x = F32({3}, {0.5f, -0.25f, 0});
  const auto sines =
      Run({"MathFunction", {x}, {{"function", std::string("Sin")}}}).Floats();
  CHECK(sines[0] == static_cast<float>(std::sin(0.5)));
  CHECK(sines[2] == 0.0f);
  const auto outside = Run(
      {"MathFunction", {F32({1}, {2})}, {{"function", std::string("Acos")}}});
  CHECK(std::isnan(outside.Floats()[0]));
  CHECK(
      ErrorOf({"MathFunction", {x}, {{"function", std::string("Exp")}}}) ==
      "function: got \"Exp\", expected one of Acos, Acosh, Asin, Asinh, Atan, "
      "Atanh, Cos, Cosh, Sin, Sinh, Tan");
  CHECK(Run({"Fmod", {F32({2}, {-4.5f, 5}), F32({2}, {2, -3})}}).Floats() ==
        Floats{-0.5f, 2});
  CHECK(Run({"Fmod", {I64({3}, {-4, 4, 4}), I64({3}, {3, -3, 0})}})
            .As<int64_t>() == Ints{-1, 1, 0});
  CHECK(
      Run({"Pow", {I64({5}, {2, -3, 2, -1, 1}), I64({5}, {10, 3, -1, -3, -2})}})
          .As<int64_t>() == Ints{1024, -27, 0, -1, 1});
  CHECK(Run({"And", {I64({1}, {12}), I64({1}, {10})}}).As<int64_t>() ==
        Ints{8});
  CHECK(Run({"Or", {I64({1}, {12}), I64({1}, {10})}}).As<int64_t>() ==
        Ints{14});
  CHECK(Run({"Xor", {I64({1}, {12}), I64({1}, {10})}}).As<int64_t>() ==
        Ints{6});
}

}  // namespace
}  // namespace bittern::test
