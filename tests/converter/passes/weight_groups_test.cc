// Groups of weights: the size of a group, the narrowest codes, zero points kept
// or folded, and that they stand for the weights bit by bit.
#include "converter/passes/weight_groups.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

namespace bittern::convert {
namespace {

using runtime::Encoding;

constexpr size_t kK = 72, kN = 5, kBlock = 16;

// Random codes in lo..hi, a scale for each group, zero points by `zero`.
template <class Zero>
WeightParts Parts(int lo, int hi, const Zero& zero) {
  std::mt19937 random(3);
  const size_t groups = (kK + kBlock - 1) / kBlock;
  std::vector<float> scales(groups * kN);
  for (float& s : scales) s = static_cast<float>(random() % 1000 + 1) * 0.013f;
  WeightParts parts;
  for (size_t k = 0; k < kK; ++k) {
    for (size_t n = 0; n < kN; ++n) {
      const size_t g = n * groups + k / kBlock;
      const auto span = static_cast<unsigned>(hi - lo + 1);
      int code = lo + static_cast<int>(random() % span);
      if (k < 2) code = k == 0 ? lo : hi;
      parts.codes.push_back(static_cast<float>(code));
      parts.scales.push_back(scales[g]);
      parts.zeros.push_back(zero(g));
    }
  }
  return parts;
}

std::vector<float> Weights(const WeightParts& parts) {
  std::vector<float> weights;
  for (size_t i = 0; i < parts.codes.size(); ++i) {
    const float code =
        parts.zeros.empty() ? parts.codes[i] : parts.codes[i] - parts.zeros[i];
    weights.push_back(code * parts.scales[i]);
  }
  return weights;
}

GroupedWeights Check(const WeightParts& parts) {
  const auto groups = GroupWeights(parts, kK, kN);
  REQUIRE(groups);
  CHECK(groups->block == kBlock);
  CHECK(groups->channels == kN);
  std::vector<float> weights = Weights(parts);
  CHECK(StandFor(*groups, weights));
  weights.back() = std::nextafter(weights.back(), 1e9f);
  CHECK_FALSE(StandFor(*groups, weights));
  weights.pop_back();
  CHECK_FALSE(StandFor(*groups, weights));
  return *groups;
}

TEST_CASE("one zero point in the middle folds into signed codes") {
  const GroupedWeights groups =
      Check(Parts(0, 15, [](size_t) { return 8.0f; }));
  CHECK(groups.Text() == "4 bit signed, groups of 16, exact");
  CHECK(groups.zeros.empty());
  CHECK_FALSE(groups.HasByteZeros());
}

TEST_CASE("codes 0, 1, 2 about 1 are ternary") {
  const GroupedWeights groups = Check(Parts(0, 2, [](size_t) { return 1.0f; }));
  CHECK(groups.type.encoding == Encoding::kTernary);
}

TEST_CASE("zero points of each group stay, beside unsigned codes") {
  const auto by_group = [](size_t g) { return static_cast<float>(g % 15); };
  GroupedWeights groups = Check(Parts(0, 15, by_group));
  CHECK(groups.Text() ==
        "4 bit unsigned with zero points, groups of 16, exact");
  CHECK(groups.HasByteZeros());
  // Signed codes and zero points move up together.
  groups = Check(Parts(-8, 7, by_group));
  CHECK(groups.Text() ==
        "4 bit unsigned with zero points, groups of 16, exact");
  CHECK(groups.HasByteZeros());
  CHECK(groups.zeros[1] == 9.0f);
  // Zero points below the codes are no bytes.
  groups = Check(Parts(0, 15, [](size_t g) { return g % 2 ? -9.0f : 20.0f; }));
  CHECK_FALSE(groups.zeros.empty());
  CHECK_FALSE(groups.HasByteZeros());
}

TEST_CASE("zero points with a fraction round as they are") {
  const GroupedWeights groups = Check(
      Parts(-8, 7, [](size_t g) { return static_cast<float>(g) + 0.3f; }));
  CHECK(groups.Text() == "4 bit signed with zero points, groups of 16, exact");
  CHECK_FALSE(groups.HasByteZeros());
}

TEST_CASE("no zero points, other widths") {
  WeightParts parts = Parts(-128, 127, [](size_t) { return 0.0f; });
  parts.zeros.clear();
  CHECK(Check(parts).Text() == "8 bit signed, groups of 16, exact");
  parts = Parts(0, 1, [](size_t) { return 0.0f; });
  parts.zeros.clear();
  CHECK(Check(parts).type.bits == 1);
}

// All weights within the tolerance of the grids.
void CheckByValue(const std::vector<float>& weights, const std::string& text) {
  const auto groups = GroupsByValue(weights, kK, kN);
  REQUIRE(groups);
  CHECK(groups->Text().starts_with(text));
  const size_t count = (kK + groups->block - 1) / groups->block;
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t k = i / kN, n = i % kN, g = n * count + k / groups->block;
    auto code = static_cast<float>(groups->values[n * kK + k]);
    if (!groups->zeros.empty()) code -= groups->zeros[g];
    const float got = code * groups->scales[g];
    CHECK(std::fabs(got - weights[i]) <= 4 * 0x1p-23f * std::fabs(weights[i]));
  }
}

TEST_CASE("groups that were folded to floats are found by their values") {
  CheckByValue(Weights(Parts(0, 15, [](size_t) { return 8.0f; })),
               "4 bit signed, groups of 16");
  CheckByValue(Weights(Parts(
                   0, 15, [](size_t g) { return static_cast<float>(g % 16); })),
               "4 bit unsigned with zero points, groups of 16");
  CheckByValue(Weights(Parts(0, 2, [](size_t) { return 1.0f; })),
               "ternary, groups of 16");
  std::vector<float> weights =
      Weights(Parts(0, 15, [](size_t) { return 8.0f; }));
  weights[5] *= 1.0001f;
  CHECK_FALSE(GroupsByValue(weights, kK, kN));
  weights[5] = std::numeric_limits<float>::infinity();
  CHECK_FALSE(GroupsByValue(weights, kK, kN));
  std::mt19937 random(9);
  for (float& w : weights) w = static_cast<float>(random()) * 0x1p-32f;
  CHECK_FALSE(GroupsByValue(weights, kK, kN));
  CHECK_FALSE(GroupsByValue({1, 2, 3}, 3, 1));
}

TEST_CASE("what is no grouped weight") {
  const auto none = [](size_t) { return 0.0f; };
  WeightParts parts = Parts(0, 15, none);
  parts.codes[7] = 0.5f;
  CHECK_FALSE(GroupWeights(parts, kK, kN));
  parts = Parts(0, 15, none);
  parts.codes[7] = 256;
  CHECK_FALSE(GroupWeights(parts, kK, kN));
  parts = Parts(0, 15, none);
  parts.scales[3 * kN] = 77;  // groups of one
  CHECK_FALSE(GroupWeights(parts, kK, kN));
}

}  // namespace
}  // namespace bittern::convert
