// Value sets of weight rows: every encoding, noise, mirrored rows, and what is
// no set of codes.
#include "converter/passes/value_set.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace bittern::convert {
namespace {

using runtime::Encoding;

// [k][n] from rows of output channels.
std::vector<float> Columns(const std::vector<std::vector<float>>& rows) {
  std::vector<float> weights;
  for (size_t k = 0; k < rows[0].size(); ++k) {
    for (const auto& row : rows) weights.push_back(row[k]);
  }
  return weights;
}

WeightCodes Classify(const std::vector<std::vector<float>>& rows) {
  return ClassifyWeights(Columns(rows), rows[0].size(), rows.size());
}

bool Mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("rows of +-s give scales and bits") {
  const WeightCodes m = Classify({{0.5f, -0.5f, 0.5f}, {-3.0f, -3.0f, 3.0f}});
  CHECK(m.Text() == "1 bit +-s, exact");
  CHECK(m.scales == std::vector<float>{0.5f, 3.0f});
  CHECK(m.values == std::vector<int16_t>{1, -1, 1, -1, -1, 1});
}

TEST_CASE("noise of a few ulp snaps to the most frequent magnitude") {
  const float s = 0.75f;
  const float up = std::nextafter(std::nextafter(s, 1.0f), 1.0f);
  const float down = std::nextafter(s, 0.0f);
  const WeightCodes m = Classify({{s, -up, s, -s, down, -s}});
  CHECK(m.reason.empty());
  CHECK(m.scales == std::vector<float>{s});
  CHECK(m.Text() == "1 bit +-s, 2 ulp");
}

TEST_CASE("noise of clipped latents counts in units of 1, not of a small s") {
  const float s = 1e-3f;
  const WeightCodes m = Classify({{s, -s, s + 1.5e-7f, -s, -s - 1e-7f, s}});
  CHECK(m.reason.empty());
  CHECK(m.scales == std::vector<float>{s});
  CHECK(m.max_ulp > 100);
}

TEST_CASE("a row of zeros is a scale of 0 with any code") {
  const WeightCodes m = Classify({{0.0f, 0.0f}, {1.0f, -1.0f}});
  CHECK(m.type.encoding == Encoding::kBipolar);
  CHECK(m.scales == std::vector<float>{0.0f, 1.0f});
  CHECK(m.values == std::vector<int16_t>{1, 1, 1, -1});
}

TEST_CASE("the narrowest encoding that holds all rows") {
  const auto [rows, text] =
      GENERATE(table<std::vector<std::vector<float>>, std::string>({
          {{{0.5f, 0.0f, 0.5f}}, "1 bit {0,s}, exact"},
          {{{0.5f, 0.0f, -0.5f}, {0.25f, 0.25f, -0.25f}}, "ternary, exact"},
          {{{1.5f, 0.5f, -0.5f}, {1.0f, -3.0f, 1.0f}}, "2 bit odd, exact"},
          {{{1.5f, 0.0f, 0.5f}}, "2 bit unsigned, exact"},
          {{{1.0f, 0.0f, -0.5f, 0.5f}}, "2 bit signed, exact"},  // mirrored
          {{{-2.0f, 0.5f, 1.5f}}, "3 bit signed, exact"},
          {{{0.0f, 0.7f, 0.1f}}, "3 bit unsigned, exact"},
          {{{-7.0f, 1.0f, 5.0f}}, "3 bit odd, exact"},  // half-integers
          {{{-15.0f, 1.0f, 5.0f}}, "4 bit odd, exact"},
          {{{-15.0f, 1.0f, 4.0f}}, "8 bit signed, exact"},
          {{{-7.0f, 2.0f, 5.0f}}, "4 bit signed, exact"},
          {{{15.0f, 2.0f, 5.0f}}, "4 bit unsigned, exact"},
          {{{-100.0f, 2.0f, 5.0f}}, "8 bit signed, exact"},
          {{{200.0f, 2.0f, 5.0f}}, "8 bit unsigned, exact"},
          {{{-100.0f, 150.0f, 1.0f}}, "8 bit with zero point, exact"},
      }));
  CHECK(Classify(rows).Text() == text);
}

TEST_CASE("a mirrored row has a negative scale") {
  const WeightCodes m = Classify({{1.0f, 0.0f, -0.5f}, {-2.0f, 1.0f, 0.0f}});
  CHECK(m.type.encoding == Encoding::kSigned);
  CHECK(m.type.bits == 2);
  CHECK(m.scales == std::vector<float>{-0.5f, 1.0f});
  CHECK(m.values == std::vector<int16_t>{-2, 0, 1, -2, 1, 0});
}

TEST_CASE("codes of 2 to 8 bits with any scale come back exactly") {
  const int bits = GENERATE(2, 3, 4, 8);
  std::mt19937 generator(static_cast<unsigned>(bits));
  const int hi = (1 << (bits - 1)) - 1;
  constexpr size_t kK = 300, kN = 40;
  std::vector<std::vector<float>> rows(kN, std::vector<float>(kK));
  std::vector<int16_t> codes;
  std::vector<float> scales;
  for (auto& row : rows) {
    const float scale =
        1e-3f + static_cast<float>(generator() % 100000) * 1e-7f;
    scales.push_back(scale);
    for (size_t k = 0; k < kK; ++k) {
      // The first weights rule out a common divisor and a narrower code.
      const int code =
          k == 0   ? 1
          : k == 1 ? -hi - 1
                   : static_cast<int>(generator() % (1u << bits)) - hi - 1;
      codes.push_back(static_cast<int16_t>(code));
      row[k] = static_cast<float>(code) * scale;
    }
  }
  const WeightCodes m = Classify(rows);
  CHECK(m.Text() == std::to_string(bits) + " bit signed, exact");
  CHECK(m.scales == scales);
  CHECK(m.values == codes);
}

TEST_CASE("what is no row of codes says why") {
  CHECK(Mentions(Classify({{0.5f, -0.4003f, 0.3f, 0.1f}}).reason,
                 "the 4 values of row 0 lie on no integer grid"));
  // A difference of 0.1 % is no noise.
  CHECK_FALSE(Classify({{0.5f, -0.5005f, 0.5f}}).reason.empty());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(Mentions(Classify({{nan, 1.0f}}).reason, "not finite"));
  CHECK(Mentions(ClassifyWeights({}, 0, 3).reason, "empty"));
  std::vector<float> many;
  for (int i = 0; i < 1025; ++i) many.push_back(static_cast<float>(i));
  CHECK(Mentions(Classify({many}).reason, "more than 1024 values"));
}

}  // namespace
}  // namespace bittern::convert
