// The packed form of w8a8/maddubs against its definition: every step of k
// stands once, weights where pack_pairs.h says, no pair of steps beyond the
// range of 16 bits, and nearly all of trained-like weights in pairs.
#include "kernels/gemm/pack_pairs.h"

#include <catch2/catch.hpp>
#include <set>

#include "tests/kernels/gemm/product.h"

namespace bittern::kernels {
namespace {

using test::Fill;
using test::Guarded;
using test::MakeProduct;
using test::Product;

int32_t PackedWeight(const PairsPanel& panel, size_t step, size_t channel,
                     size_t u) {
  const auto lane =
      static_cast<uint32_t>(panel.weights[step * kPairsPanel + channel]);
  return static_cast<int8_t>(lane >> (8 * u));
}

// The largest |sum| that the two products of a 16-bit lane can reach on the
// side that reaches further: 128 each for w' >= 0 (there as -w' - 1), else
// 128 * -w'.
int32_t Reach(const PairsPanel& panel, size_t step, size_t lane) {
  int32_t reach = 0;
  for (size_t u = 0; u < 2; ++u) {
    const int32_t w = PackedWeight(panel, step, lane / 2, lane % 2 * 2 + u);
    reach += 128 * (w >= 0 ? w + 1 : -w);
  }
  return reach;
}

void CheckPanel(const Product& p, const PairsPanel& panel, size_t first) {
  const CodeMatrix w{p.canonical.data(), p.types.weights, p.n, p.k};
  const size_t steps = PairsSteps(p.k);
  REQUIRE(2 * panel.pairs <= steps);
  std::set<uint32_t> seen;
  int32_t wrong = 0;
  for (size_t s = 0; s < steps; ++s) {
    REQUIRE(panel.offset[s] % 8 == 0);
    REQUIRE(panel.offset[s] / 8 < steps);
    seen.insert(panel.offset[s]);
    for (size_t j = 0; j < 4 * kPairsPanel; ++j) {
      const size_t n = first + j / 4, k = panel.offset[s] / 2 + j % 4;
      const int32_t expected =
          n < p.n && k < p.k
              ? ValueAt(w, n, k) - PairsWeightOffset(p.types.weights)
              : 0;
      wrong += PackedWeight(panel, s, j / 4, j % 4) != expected;
    }
  }
  CHECK(seen.size() == steps);
  CHECK(wrong == 0);
  for (size_t s = 0; s < 2 * panel.pairs; s += 2) {
    for (size_t lane = 0; lane < 2 * kPairsPanel; ++lane)
      REQUIRE(Reach(panel, s, lane) + Reach(panel, s + 1, lane) <= 32768);
  }
  const int32_t offset = RangeOf(p.types.activations).lo + 128;
  for (size_t j = 0; j < kPairsPanel && first + j < p.n; ++j)
    CHECK(panel.channel_add[j] == offset * RowSum(w, first + j));
}

// Share of steps that stand in pairs.
double CheckPacked(const Product& p) {
  Guarded packed(PairsRhsBytes(p.n, p.k));
  PackPairs({p.canonical.data(), p.types.weights, p.n, p.k},
            p.types.activations, packed.As<void>());
  CHECK(packed.Intact());
  size_t panels = 0, paired = 0;
  for (size_t first = 0; first < p.n; first += kPairsPanel, ++panels) {
    const PairsPanel panel = ViewPairsPanel(packed.As<void>(), panels, p.k);
    CheckPanel(p, panel, first);
    paired += 2 * panel.pairs;
  }
  return static_cast<double>(paired) /
         static_cast<double>(panels * PairsSteps(p.k));
}

TEST_CASE("pairs of steps: every step once, none beyond 16 bits") {
  for (Operand weights : {Operand::kS8, Operand::kU8, Operand::kS4}) {
    for (Operand activations : {Operand::kU8, Operand::kS8}) {
      for (size_t k :
           std::initializer_list<size_t>{1, 4, 5, 255, 256, 257, 770})
        for (Fill fill : {Fill::kMixed, Fill::kNormal, Fill::kQuarter})
          CheckPacked(MakeProduct({weights, activations}, 1, 37, k, fill, k));
    }
  }
}

TEST_CASE("pairs of steps: how many find a partner") {
  const GemmTypes types{Operand::kS8, Operand::kU8};
  // Deviation 42: wider than the 40 that scaling by the largest of 768 leaves.
  CHECK(CheckPacked(MakeProduct(types, 1, 64, 768, Fill::kNormal, 1)) > 0.95);
  // Four quarters of the range fit exactly; two ends of it fill a step alone.
  CHECK(CheckPacked(MakeProduct(types, 1, 64, 768, Fill::kQuarter, 1)) == 1);
  CHECK(CheckPacked(MakeProduct(types, 1, 64, 768, Fill::kHighHigh, 1)) == 0);
  CHECK(CheckPacked(MakeProduct(types, 1, 64, 768, Fill::kLowLow, 1)) == 0);
}

}  // namespace
}  // namespace bittern::kernels
