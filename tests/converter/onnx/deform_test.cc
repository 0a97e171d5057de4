// Col2Im and DeformConv against loops over their definitions.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/converter/onnx/onnx_model.h"

namespace bittern::test {
namespace {

using Floats = std::vector<float>;

Floats Numbers(size_t count, float scale) {
  Floats values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = scale * static_cast<float>(static_cast<int>(i * 37 % 23) - 11);
  return values;
}

TEST_CASE("Col2Im adds the blocks where they overlap", "[onnx]") {
  // An image of 4 x 5 by blocks of 2 x 2, dilated, one pixel of pads in front.
  OnnxModel model(18);
  model.Input("x", {1, 8, 12}).Ints("image", {2}, {4, 5});
  model.Ints("block", {2}, {2, 2}).Output("y");
  onnx::NodeProto& node = model.Node("Col2Im", {"x", "image", "block"}, {"y"});
  SetInts(node, "dilations", {1, 2});
  SetInts(node, "pads", {1, 1, 0, 0});
  SetInts(node, "strides", {1, 1});
  const Floats x = Numbers(1 * 8 * 16, 1);
  Floats expected(2 * 4 * 5, 0);
  size_t at = 0;  // rows: channel, place in a block; columns: blocks of 4 x 4
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 16; ++column, ++at) {
      const int y = column / 4 + row / 2 % 2 - 1,
                z = column % 4 + row % 2 * 2 - 1;
      if (y >= 0 && z >= 0)
        expected[static_cast<size_t>((row / 4 * 4 + y) * 5 + z)] += x[at];
    }
  }
  CHECK_THAT(model.ErrorText(), Catch::Contains("columns for all blocks"));
  model.graph()
      .mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(2)
      ->set_dim_value(16);
  CHECK(model.Run({FloatArray({1, 8, 16}, x)})[0].As<float>() == expected);
}

// x at a place between pixels, 0 outside.
float Sample(const float* x, int h, int w, float y, float z) {
  float sum = 0;
  const int y0 = static_cast<int>(std::floor(y)),
            z0 = static_cast<int>(std::floor(z));
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      const int row = y0 + i, column = z0 + j;
      if (row < 0 || row >= h || column < 0 || column >= w) continue;
      sum += x[row * w + column] *
             (1 - std::fabs(y - static_cast<float>(row))) *
             (1 - std::fabs(z - static_cast<float>(column)));
    }
  }
  return sum;
}

TEST_CASE("DeformConv reads where the offsets say", "[onnx]") {
  constexpr int kN = 2, kC = 4, kH = 4, kW = 5, kM = 2, kKh = 2, kKw = 3;
  constexpr int kOh = 3, kOw = 3, kTaps = kKh * kKw;  // strides 2, pads 1, 1
  OnnxModel model(19);
  model.Input("x", {kN, kC, kH, kW}).Input("w", {kM, kC / 2, kKh, kKw});
  model.Input("offset", {kN, 2 * kTaps * 2, kOh, kOw});
  model.Input("b", {kM}).Input("mask", {kN, 2 * kTaps, kOh, kOw}).Output("y");
  onnx::NodeProto& node =
      model.Node("DeformConv", {"x", "w", "offset", "b", "mask"}, {"y"});
  SetInts(node, "strides", {2, 2});
  SetInts(node, "pads", {1, 1, 1, 1});
  SetInt(node, "group", 2);
  SetInt(node, "offset_group", 2);
  const Floats x = Numbers(kN * kC * kH * kW, 0.5f),
               w = Numbers(kM * 2 * kTaps, 0.25f),
               offset = Numbers(kN * 4 * kTaps * kOh * kOw, 0.3f),
               mask = Numbers(kN * 2 * kTaps * kOh * kOw, 0.1f), b = {1, -2};
  const Floats got = model
                         .Run({FloatArray({kN, kC, kH, kW}, x),
                               FloatArray({kM, 2, kKh, kKw}, w),
                               FloatArray({kN, 4 * kTaps, kOh, kOw}, offset),
                               FloatArray({kM}, b),
                               FloatArray({kN, 2 * kTaps, kOh, kOw}, mask)})[0]
                         .As<float>();
  size_t at = 0;
  for (int n = 0; n < kN; ++n) {
    for (int m = 0; m < kM; ++m) {
      for (int o = 0; o < kOh * kOw; ++o, ++at) {
        float sum = b[static_cast<size_t>(m)];
        for (int c = 0; c < 2; ++c) {
          // Both the groups and those of the offsets are of two channels.
          const float* image = x.data() + (n * kC + 2 * m + c) * kH * kW;
          for (int t = 0; t < kTaps; ++t) {
            const int place = ((n * 2 + m) * kTaps + t) * kOh * kOw;
            const auto moved = [&](int i) {
              return offset[static_cast<size_t>(2 * place + i * kOh * kOw + o)];
            };
            const float y = static_cast<float>(o / kOw * 2 - 1 + t / kKw) +
                            moved(0),
                        z = static_cast<float>(o % kOw * 2 - 1 + t % kKw) +
                            moved(1);
            sum += w[static_cast<size_t>((m * 2 + c) * kTaps + t)] *
                   mask[static_cast<size_t>(place + o)] *
                   Sample(image, kH, kW, y, z);
          }
        }
        CHECK(got[at] == Approx(sum).margin(1e-3));
      }
    }
  }
  model.graph().mutable_node(0)->mutable_attribute(3)->set_i(3);
  CHECK_THAT(model.ErrorText(),
             Catch::Contains("expected two for each tap and output"));
}

}  // namespace
}  // namespace bittern::test
