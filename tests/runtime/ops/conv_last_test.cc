// ConvLast against seven loops: every output one chain of fused multiply-adds
// over the taps in the image's own order, then the bias.
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
  int64_t batch, h, w, channels, filters, kernel_h, kernel_w;
  Ints strides = {1, 1}, pads = {0, 0, 0, 0}, dilations = {1, 1};
  int64_t groups = 1;
};

struct Layer {
  const Case& c;
  bool first;  // channels of the image
  std::vector<float> x, filters, bias;

  int64_t Taps() const { return c.kernel_h * c.kernel_w; }
  int64_t GroupIn() const { return c.channels / c.groups; }
  Shape Image() const {
    return first ? Shape{c.batch, c.channels, c.h, c.w}
                 : Shape{c.batch, c.h, c.w, c.channels};
  }
  Shape Filters() const {
    return first ? Shape{c.filters, GroupIn(), c.kernel_h, c.kernel_w}
                 : Shape{c.filters, c.kernel_h, c.kernel_w, GroupIn()};
  }
  float Pixel(int64_t n, int64_t channel, int64_t y, int64_t col) const {
    if (y < 0 || col < 0 || y >= c.h || col >= c.w) return 0;
    return x[static_cast<size_t>(
        first ? ((n * c.channels + channel) * c.h + y) * c.w + col
              : ((n * c.h + y) * c.w + col) * c.channels + channel)];
  }
  float Output(int64_t n, int64_t oy, int64_t ox, int64_t oc) const {
    const int64_t ic = GroupIn(), group = oc / (c.filters / c.groups) * ic;
    float sum = 0;
    for (int64_t k = 0; k < Taps() * ic; ++k) {
      const int64_t tap = first ? k % Taps() : k / ic,
                    channel = first ? k / Taps() : k % ic;
      const float value = Pixel(
          n, group + channel,
          oy * c.strides[0] - c.pads[0] + tap / c.kernel_w * c.dilations[0],
          ox * c.strides[1] - c.pads[1] + tap % c.kernel_w * c.dilations[1]);
      sum = std::fma(value, filters[static_cast<size_t>(oc * Taps() * ic + k)],
                     sum);
    }
    return sum + bias[static_cast<size_t>(oc)];
  }
  size_t Wrong(const Value& y) const {
    const Shape& out = y.type.shape;
    const std::vector<float> got = y.Floats();
    size_t wrong = 0, at = 0;
    for (int64_t n = 0; n < out[0]; ++n) {
      for (int64_t oy = 0; oy < out[1]; ++oy) {
        for (int64_t ox = 0; ox < out[2]; ++ox) {
          for (int64_t oc = 0; oc < out[3]; ++oc, ++at)
            wrong += got[at] != Output(n, oy, ox, oc);
        }
      }
    }
    return wrong;
  }
};

// Stems, windows in the padding alone, rows wider than a block, pixels alone,
// strides over them, groups, depthwise.
const std::vector<Case> kCases = {
    {1, 30, 28, 3, 64, 7, 7, {2, 2}, {3, 3, 3, 3}},
    {2, 9, 150, 1, 5, 3, 3, {1, 1}, {1, 1, 1, 1}},
    {1, 9, 11, 4, 70, 3, 2, {2, 3}, {1, 0, 2, 1}},
    {1, 12, 12, 2, 5, 3, 2, {1, 2}, {2, 1, 2, 1}, {2, 3}},
    {1, 5, 4, 5, 3, 2, 3, {1, 3}, {4, 3, 4, 5}, {3, 1}},
    {3, 6, 5, 7, 33, 1, 1},
    {1, 7, 8, 20, 17, 1, 1, {2, 2}},
    {1, 6, 6, 300, 16, 3, 3, {1, 1}, {1, 1, 1, 1}},
    {1, 8, 8, 6, 9, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 3},
    {2, 9, 6, 70, 70, 5, 3, {2, 1}, {2, 1, 1, 1}, {1, 2}, 70},
};

TEST_CASE("Convolutions that leave channels last agree with loops") {
  Random random(12);
  for (const Case& c : kCases) {
    for (const bool first : {false, true}) {
      Layer layer{c, first, {}, {}, {}};
      INFO(ToString(layer.Image()) << " * " << ToString(layer.Filters()));
      layer.x = random.Normals(static_cast<size_t>(layer.Image().Elements()));
      layer.filters =
          random.Normals(static_cast<size_t>(layer.Filters().Elements()));
      layer.bias = random.Normals(static_cast<size_t>(c.filters));
      OpCall call{"ConvLast",
                  {F32(layer.Image(), layer.x),
                   Constant(F32(layer.Filters(), layer.filters)),
                   Constant(F32({c.filters}, layer.bias))},
                  {{"strides", c.strides},
                   {"pads", c.pads},
                   {"dilations", c.dilations},
                   {"groups", c.groups},
                   {"channels_first", int64_t{first}}}};
      for (const size_t threads : {1u, 3u}) {
        call.threads = threads;
        CHECK(layer.Wrong(Run(call)) == 0);
      }
    }
  }
}

TEST_CASE("Wrong filters of ConvLast are refused") {
  const Value x = Iota({1, 8, 8, 4}), w = Constant(Iota({6, 3, 3, 4}));
  const auto conv = [&](const Value& filters, AttributeMap attributes = {}) {
    return OpCall{"ConvLast", {x, filters}, std::move(attributes)};
  };
  CHECK(ErrorOf(conv(Iota({6, 3, 3, 4}))) ==
        "input w: got f32[6,3,3,4], expected a constant");
  CHECK(ErrorOf({"ConvLast", {Iota({8, 8, 4}), w}}) ==
        "input x: got f32[8,8,4], expected rank 4");
  CHECK(ErrorOf(conv(Constant(Iota({6, 3, 12})))) ==
        "input w: got f32[6,3,12], expected rank 4");
  CHECK(ErrorOf(conv(Constant(Iota({6, 4, 3, 3})))) ==
        "channels: got 4, filters [6,4,3,3] and groups 1, expected groups * "
        "filter channels = input channels");
  CHECK(ErrorOf(conv(w, {{"groups", int64_t{0}}})).starts_with("channels: "));
  CHECK(ErrorOf(conv(w, {{"groups", int64_t{4}}})).starts_with("channels: "));
  CHECK(ErrorOf(conv(w, {{"channels_first", int64_t{1}}}))
            .starts_with("channels: got 8"));
  CHECK(ErrorOf(conv(Constant(Iota({6, 9, 3, 4})))) ==
        "window: got an extent of 9, expected at most the padded input, 8");
  CHECK(ErrorOf({"ConvLast", {x, w, F32({6}, std::vector<float>(6))}}) ==
        "input bias: got f32[6], expected a constant");
}

}  // namespace
}  // namespace bittern::test
