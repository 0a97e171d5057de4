// Scales of input channels inside wider weights: rounding, bias, rows of 0.
#include "converter/passes/fold_input_scales.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace bittern::convert {
namespace {

Activation Columns() {
  Activation a;
  a.kind = Activation::Kind::kColumn;
  a.range = {-8, 7};
  a.scale = {0.5f, -0.25f, 0.1f};
  a.zero = {0.0f, 2.0f, -1.0f};
  return a;
}

WeightCodes Weights() {
  WeightCodes w;
  w.scales = {0.5f, -2.0f, 0.0f};
  w.values = {7, -8, 3, 1, 2, -1, 1, 1, 1};
  return w;
}

TEST_CASE("16 and 8 bits reach their largest value in every row") {
  const InputScale mode = GENERATE(InputScale::kFast16, InputScale::kFast8);
  const double limit = mode == InputScale::kFast16 ? 32767 : 127;
  const Activation a = Columns();
  const WeightCodes w = Weights();
  const FoldedWeights folded = FoldInputScales(a, w, mode);
  CHECK(folded.type.bits == (mode == InputScale::kFast16 ? 16 : 8));
  for (size_t n = 0; n < 2; ++n) {
    double largest = 0, bias = 0;
    for (size_t k = 0; k < 3; ++k) {
      const double exact = static_cast<double>(a.scale[k]) *
                           static_cast<double>(w.scales[n]) *
                           w.values[n * 3 + k];
      const int value = folded.values[n * 3 + k];
      const auto scale = static_cast<double>(folded.scales[n]);
      CHECK(std::fabs(value * scale - exact) <= 0.5001 * scale);
      largest = std::max(largest, std::fabs(static_cast<double>(value)));
      bias -= static_cast<double>(a.zero[k]) * exact;
    }
    CHECK(largest == limit);
    CHECK(folded.bias[n] == Approx(bias));
  }
  CHECK(folded.scales[2] == 0.0f);
  CHECK(folded.bias[2] == 0.0);
}

TEST_CASE("ties round to even") {
  Activation a = Columns();
  a.scale = {127.0f, 0.5f, 1.5f};
  WeightCodes w;
  w.scales = {1.0f};
  w.values = {1, 1, 1};
  const FoldedWeights folded = FoldInputScales(a, w, InputScale::kFast8);
  CHECK(folded.values == std::vector<int16_t>{127, 0, 2});
}

}  // namespace
}  // namespace bittern::convert
