// Pools against loops over each window.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::Shape;
using Ints = std::vector<int64_t>;

struct Case {
  Shape x;
  Ints kernel, strides, pads;
  bool ceil, count_padding;
  int64_t out_h, out_w;
};

TEST_CASE("Windows, padding, strides and ceil mode") {
  const std::vector<Case> cases = {
      {{1, 2, 6, 6}, {2, 2}, {2, 2}, {0, 0, 0, 0}, false, false, 3, 3},
      {{2, 3, 7, 5}, {3, 2}, {2, 1}, {1, 0, 1, 1}, false, false, 4, 5},
      {{2, 3, 7, 5}, {3, 2}, {2, 1}, {1, 0, 1, 1}, false, true, 4, 5},
      {{1, 1, 6, 6}, {3, 3}, {2, 2}, {0, 0, 0, 0}, true, false, 3, 3},
      {{1, 1, 6, 6}, {3, 3}, {2, 2}, {0, 0, 0, 0}, true, true, 3, 3},
      {{1, 1, 4, 4}, {2, 2}, {3, 3}, {1, 1, 1, 1}, true, true, 2, 2},
      {{1, 70, 30, 30}, {3, 3}, {1, 1}, {1, 1, 1, 1}, false, true, 30, 30},
  };
  Random random(9);
  for (const Case& c : cases) {
    INFO(ToString(c.x) << " ceil " << c.ceil << " count " << c.count_padding);
    const auto x = random.Normals(static_cast<size_t>(c.x.Elements()));
    const AttributeMap attributes{
        {"kernel", c.kernel},
        {"strides", c.strides},
        {"pads", c.pads},
        {"ceil_mode", int64_t{c.ceil}},
        {"count_include_pad", int64_t{c.count_padding}}};
    for (const size_t threads : {1u, 3u}) {
      const Value max = Run({"MaxPool", {F32(c.x, x)}, attributes, 1, threads});
      const Value average =
          Run({"AveragePool", {F32(c.x, x)}, attributes, 1, threads});
      REQUIRE(max.type.shape == Shape{c.x[0], c.x[1], c.out_h, c.out_w});
      REQUIRE(average.type.shape == max.type.shape);
      const auto got_max = max.Floats(), got_average = average.Floats();
      size_t wrong = 0;
      for (int64_t i = 0; i < max.type.shape.Elements(); ++i) {
        const int64_t ox = i % c.out_w, oy = i / c.out_w % c.out_h,
                      channel = i / c.out_w / c.out_h;
        float best = -std::numeric_limits<float>::infinity(), sum = 0,
              count = 0;
        for (int64_t y = oy * c.strides[0] - c.pads[0];
             y < oy * c.strides[0] - c.pads[0] + c.kernel[0]; ++y) {
          for (int64_t col = ox * c.strides[1] - c.pads[1];
               col < ox * c.strides[1] - c.pads[1] + c.kernel[1]; ++col) {
            const bool inside =
                y >= 0 && y < c.x[2] && col >= 0 && col < c.x[3];
            const bool padded =
                y < c.x[2] + c.pads[2] && col < c.x[3] + c.pads[3];
            if (inside || (c.count_padding && padded)) count += 1;
            if (!inside) continue;
            const float value =
                x[static_cast<size_t>((channel * c.x[2] + y) * c.x[3] + col)];
            best = std::max(best, value);
            sum += value;
          }
        }
        wrong += got_max[static_cast<size_t>(i)] != best ||
                 got_average[static_cast<size_t>(i)] != sum / count;
      }
      CHECK(wrong == 0);
    }
  }
}

// [N,C,H,W] as [N,H,W,C].
std::vector<float> ChannelsLast(const Shape& s, const std::vector<float>& x) {
  std::vector<float> last(x.size());
  const int64_t pixels = s[2] * s[3];
  for (int64_t i = 0; i < s.Elements(); ++i) {
    const int64_t pixel = i % pixels, c = i / pixels % s[1],
                  n = i / pixels / s[1];
    last[static_cast<size_t>((n * pixels + pixel) * s[1] + c)] =
        x[static_cast<size_t>(i)];
  }
  return last;
}

TEST_CASE("Pools of images with channels last give the same values") {
  Random random(11);
  for (const Shape& s :
       {Shape{1, 1, 6, 6}, Shape{2, 21, 7, 5}, Shape{1, 70, 9, 30}}) {
    auto x = random.Normals(static_cast<size_t>(s.Elements()));
    x[7] = std::numeric_limits<float>::quiet_NaN();
    AttributeMap attributes{{"kernel", Ints{3, 2}},
                            {"strides", Ints{2, 1}},
                            {"pads", Ints{1, 0, 1, 1}},
                            {"count_include_pad", int64_t{1}}};
    for (const char* op : {"MaxPool", "AveragePool"}) {
      attributes["channels_last"] = int64_t{0};
      const Value first = Run({op, {F32(s, x)}, attributes});
      attributes["channels_last"] = int64_t{1};
      const Shape last_shape{s[0], s[2], s[3], s[1]};
      for (const size_t threads : {1u, 3u}) {
        const Value last = Run({op,
                                {F32(last_shape, ChannelsLast(s, x))},
                                attributes,
                                1,
                                threads});
        const Shape& out = first.type.shape;
        REQUIRE(last.type.shape == Shape{out[0], out[2], out[3], out[1]});
        const auto want = ChannelsLast(out, first.Floats());
        CHECK(std::memcmp(last.data->data(), want.data(),
                          want.size() * sizeof(float)) == 0);
      }
    }
  }
  CHECK(ErrorOf({"MaxPool",
                 {Iota({4, 4})},
                 {{"kernel", Ints{2, 2}}, {"channels_last", int64_t{1}}}}) ==
        "input x: got [4,4], expected rank 4 (NCHW)");
}

TEST_CASE("GlobalAveragePool is the mean of each channel, of any rank") {
  Random random(10);
  const auto x = random.Normals(2 * 3 * 5 * 7);
  for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{2, 3, 35}}) {
    const Value out = Run({"GlobalAveragePool", {F32(shape, x)}});
    CHECK(out.type.shape[0] == 2);
    CHECK(out.type.shape.Elements() == 6);
    for (size_t c = 0; c < 6; ++c) {
      double sum = 0;
      for (size_t i = 0; i < 35; ++i) sum += x[c * 35 + i];
      CHECK(out.Floats()[c] == Approx(sum / 35).margin(1e-6));
    }
  }
}

TEST_CASE("MaxPool finds NaN; wrong windows are refused") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const AttributeMap two{{"kernel", Ints{2, 2}}};
  CHECK(std::isnan(
      Run({"MaxPool", {F32({1, 1, 2, 2}, {1, nan, 3, 4})}, two}).Floats()[0]));
  const Value x = Iota({1, 1, 4, 4});
  CHECK(ErrorOf({"MaxPool", {x}, {{"kernel", Ints{2}}}}) ==
        "kernel: got 1 values, expected 2");
  CHECK(ErrorOf({"MaxPool", {x}, {{"kernel", Ints{0, 2}}}})
            .starts_with("window: got 0x2"));
  CHECK(ErrorOf({"AveragePool", {x}, {{"kernel", Ints{5, 5}}}})
            .starts_with("window: got an extent of 5"));
  CHECK(ErrorOf({"AveragePool",
                 {x},
                 {{"kernel", Ints{2, 2}}, {"pads", Ints{2, 0, 0, 0}}}}) ==
        "pads: got 2, expected less than the kernel, 2");
  CHECK(ErrorOf({"MaxPool", {Iota({4, 4})}, two}) ==
        "input x: got [4,4], expected rank 4 (NCHW)");
  CHECK(ErrorOf({"MaxPool", {I64({1}, {1})}, two}) ==
        "input x: got i64[1], expected f32");
  CHECK(ErrorOf({"GlobalAveragePool", {Iota({4, 4})}}) ==
        "input x: got f32[4,4], expected rank 3 or more (NCHW) and no empty "
        "dimension");
}

}  // namespace
}  // namespace bittern::test
