// Scales of input channels that are one scale but for signs and powers of two.
#include "converter/passes/factor_columns.h"

#include <catch2/catch.hpp>

namespace bittern::convert {
namespace {

using runtime::CodeType;
using runtime::Encoding;

Activation Columns(std::vector<float> scale, std::vector<float> zero) {
  Activation a;
  a.kind = Activation::Kind::kColumn;
  a.range = {-8, 7};
  a.scale = std::move(scale);
  a.zero = std::move(zero);
  a.text = "4 bit signed columns";
  return a;
}

WeightCodes Weights(CodeType type, std::vector<int16_t> values) {
  WeightCodes w;
  w.type = type;
  w.scales = {0.5f, 0.25f};
  w.values = std::move(values);
  return w;
}

const CodeType kFour{Encoding::kSigned, 4, 0};
const CodeType kBit{Encoding::kBipolar, 1, 0};

TEST_CASE("powers of two and signs go into the weights") {
  const auto made =
      FactorColumns(Columns({0.3f, -0.6f, 2.4f}, {0.0f, 2.0f, -1.0f}),
                    Weights(kFour, {7, -8, 3, 1, 2, -1}));
  REQUIRE(made);
  CHECK(made->activation.kind == Activation::Kind::kTensor);
  CHECK(made->activation.scale == std::vector<float>{0.3f});
  CHECK(made->activation.zero == std::vector<float>{0.0f, 2.0f, -1.0f});
  CHECK(made->activation.text == "4 bit signed columns of one scale");
  CHECK(made->weights.values == std::vector<int16_t>{7, 16, 24, 1, -4, -8});
  CHECK(made->weights.type == CodeType{Encoding::kSigned, 8, 0});
}

TEST_CASE("signs alone keep the type of weights that have both") {
  const auto bits = FactorColumns(Columns({0.3f, -0.3f}, {0.0f, 5.0f}),
                                  Weights(kBit, {1, 1, -1, 1}));
  REQUIRE(bits);
  CHECK(bits->weights.type == kBit);
  CHECK(bits->weights.values == std::vector<int16_t>{1, -1, -1, -1});
  const auto wider = FactorColumns(Columns({0.3f, -0.3f}, {0.0f, 0.0f}),
                                   Weights(kFour, {1, -8, 1, 1}));
  REQUIRE(wider);
  CHECK(wider->weights.type == CodeType{Encoding::kSigned, 8, 0});
}

TEST_CASE("what stays a scale per input channel") {
  const WeightCodes w = Weights(kFour, {7, -8, 1, 2});
  CHECK_FALSE(FactorColumns(Columns({0.3f, 0.4f}, {0, 0}), w));
  CHECK_FALSE(FactorColumns(Columns({0.3f, 0.3f}, {0, 0.5f}), w));
  CHECK_FALSE(FactorColumns(Columns({0.25f, 64.0f}, {0, 0}), w));  // 2^8
  CHECK_FALSE(FactorColumns(Columns({0.25f, 8.0f}, {0, 0}), w));   // 2^5 * 8
  CHECK_FALSE(FactorColumns(Columns({0.0f, 1.0f}, {0, 0}), w));
}

}  // namespace
}  // namespace bittern::convert
