// Conv against seven loops: every output one chain of fused multiply-adds over
// (channel, row, column), then the bias.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/runtime/ops/op_runner.h"
#include "tests/support/random.h"

namespace bittern::test {
namespace {

using runtime::AttributeMap;
using runtime::Shape;
using Ints = std::vector<int64_t>;

struct Case {
  Shape x, w;
  Ints strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  int64_t group = 1;
};

struct Image {
  Shape shape;
  std::vector<float> values;
  float At(int64_t n, int64_t c, int64_t y, int64_t x) const {
    if (y < 0 || x < 0 || y >= shape[2] || x >= shape[3]) return 0;
    return values[static_cast<size_t>(
        ((n * shape[1] + c) * shape[2] + y) * shape[3] + x)];
  }
};

float OneOutput(const Case& c, const Image& x, const Image& w,
                const int64_t (&at)[4]) {
  const int64_t first = at[1] / (c.w[0] / c.group) * c.w[1];  // input channel
  float sum = 0;
  for (int64_t ic = 0; ic < c.w[1]; ++ic) {
    for (int64_t ky = 0; ky < c.w[2]; ++ky) {
      for (int64_t kx = 0; kx < c.w[3]; ++kx) {
        const float value =
            x.At(at[0], first + ic,
                 at[2] * c.strides[0] - c.pads[0] + ky * c.dilations[0],
                 at[3] * c.strides[1] - c.pads[1] + kx * c.dilations[1]);
        sum = std::fma(value, w.At(at[1], ic, ky, kx), sum);
      }
    }
  }
  return sum;
}

TEST_CASE("Convolutions of every kind agree with loops") {
  const std::vector<Case> cases = {
      {{1, 3, 32, 32}, {24, 3, 16, 16}, {16, 16}},  // patch embedding
      {{2, 3, 28, 20}, {10, 3, 4, 4}, {4, 4}},
      {{1, 4, 9, 11}, {6, 4, 3, 3}, {1, 1}, {1, 1, 1, 1}},
      {{1, 4, 9, 11}, {6, 4, 3, 3}, {2, 3}, {1, 0, 2, 1}},
      {{1, 2, 12, 12}, {5, 2, 3, 2}, {1, 2}, {2, 1, 2, 1}, {2, 3}},
      {{1, 6, 8, 8}, {9, 2, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 3},
      {{1, 5, 7, 7},
       {5, 1, 3, 3},
       {1, 1},
       {1, 1, 1, 1},
       {1, 1},
       5},  // depthwise
      {{2, 70, 9, 6}, {70, 1, 5, 3}, {2, 1}, {2, 1, 1, 1}, {1, 2}, 70},
      {{1, 16, 20, 20}, {16, 1, 3, 3}, {2, 2}, {0, 0, 1, 1}, {1, 1}, 16},
      {{3, 7, 6, 5}, {33, 7, 1, 1}},
  };
  Random random(8);
  for (const Case& c : cases) {
    INFO(ToString(c.x) << " * " << ToString(c.w));
    const Image x{c.x, random.Normals(static_cast<size_t>(c.x.Elements()))};
    const Image w{c.w, random.Normals(static_cast<size_t>(c.w.Elements()))};
    const auto bias = random.Normals(static_cast<size_t>(c.w[0]));
    const AttributeMap attributes{{"strides", c.strides},
                                  {"pads", c.pads},
                                  {"dilations", c.dilations},
                                  {"group", c.group}};
    const Value filters = F32(c.w, w.values);
    for (const Value& f : {filters, Constant(filters)}) {
      for (const size_t threads : {1u, 3u}) {
        const Value plain =
            Run({"Conv", {F32(c.x, x.values), f}, attributes, 1, threads});
        const Value biased = Run({"Conv",
                                  {F32(c.x, x.values), f, F32({c.w[0]}, bias)},
                                  attributes,
                                  1,
                                  threads});
        const Shape& out = plain.type.shape;
        REQUIRE(out == biased.type.shape);
        const auto got = plain.Floats(), got_biased = biased.Floats();
        size_t wrong = 0, flat = 0;
        for (int64_t n = 0; n < out[0]; ++n) {
          for (int64_t oc = 0; oc < out[1]; ++oc) {
            for (int64_t y = 0; y < out[2]; ++y) {
              for (int64_t col = 0; col < out[3]; ++col, ++flat) {
                const float want = OneOutput(c, x, w, {n, oc, y, col});
                wrong +=
                    got[flat] != want ||
                    got_biased[flat] != want + bias[static_cast<size_t>(oc)];
              }
            }
          }
        }
        CHECK(flat == got.size());
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("Wrong windows, channels and attributes are refused") {
  const Value x = Iota({1, 4, 8, 8}), w = Iota({6, 4, 3, 3});
  const auto conv = [&](const Value& filters, AttributeMap attributes = {}) {
    return OpCall{"Conv", {x, filters}, std::move(attributes)};
  };
  CHECK(ErrorOf({"Conv", {Iota({4, 8, 8}), w}}) ==
        "input x: got f32[4,8,8], expected rank 4 (NCHW)");
  CHECK(ErrorOf(conv(Iota({6, 4, 3}))) ==
        "input w: got f32[6,4,3], expected rank 4 (filters, channels, h, w)");
  CHECK(ErrorOf(conv(Iota({6, 3, 3, 3})))
            .starts_with(
                "channels: got [1,4,8,8], filters [6,3,3,3] and group 1"));
  CHECK(ErrorOf(conv(w, {{"group", int64_t{0}}})).starts_with("channels: "));
  CHECK(ErrorOf(conv(Iota({5, 2, 3, 3}), {{"group", int64_t{2}}}))
            .starts_with("channels: "));
  CHECK(ErrorOf(conv(Iota({6, 4, 9, 3}))) ==
        "window: got an extent of 9, expected at most the padded input, 8");
  CHECK(ErrorOf(conv(w, {{"dilations", Ints{4, 1}}})) ==
        "window: got an extent of 9, expected at most the padded input, 8");
  CHECK(ErrorOf(conv(w, {{"strides", Ints{0, 1}}})) ==
        "strides: got 0, expected 1 to 2^24");
  CHECK(ErrorOf(conv(w, {{"strides", Ints{1}}})) ==
        "strides: got 1 values, expected 2");
  CHECK(ErrorOf(conv(w, {{"pads", Ints{0, 0, -1, 0}}})) ==
        "pads: got -1, expected 0 to 2^24");
  CHECK(ErrorOf(conv(w, {{"dilations", Ints{int64_t{1} << 40, 1}}})) ==
        "dilations: got 1099511627776, expected 1 to 2^24");
  CHECK(ErrorOf(conv(Iota({6, 4, 0, 3}))).starts_with("window: got 0x3"));
  CHECK(ErrorOf({"Conv", {x, w, F32({5}, std::vector<float>(5))}}) ==
        "input bias: got f32[5], expected f32[6]");
  CHECK(ErrorOf({"Conv", {x, I64({1}, {1})}}) ==
        "input w: got i64[1], expected f32");
}

}  // namespace
}  // namespace bittern::test
