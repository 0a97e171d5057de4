// Which kernel is chosen on cores that we do not own, and why: the constants of
// gemm_costs.inc through SelectGemm. A change of constants that changes a
// choice shows here.
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "kernels/gemm/gemm_cost.h"

namespace bittern::kernels {
namespace {

struct Core {
  CpuClass cpu;
  std::string_view target;  // what it offers
};

std::string Chosen(const Core& core, GemmTypes types, size_t m = 198,
                   size_t n = 768, size_t k = 192) {
  CpuFeatures cpu;
  REQUIRE(CapCpu({~uint32_t{0}, ~int64_t{0}, core.cpu}, core.target, &cpu));
  const GemmKernel* kernel = SelectGemm({types, m, n, k}, cpu);
  return kernel == nullptr ? "none" : kernel->name;
}

constexpr GemmTypes kW1A1{Operand::kBipolar, Operand::kSign};
constexpr GemmTypes kW1A2{Operand::kBipolar, Operand::kU2};
constexpr GemmTypes kW2A2{Operand::kTernary, Operand::kU2};
constexpr GemmTypes kW4A4{Operand::kS4, Operand::kU4};
constexpr GemmTypes kW2A8{Operand::kTernary, Operand::kS8};
constexpr GemmTypes kW8A8{Operand::kS8, Operand::kU8};
constexpr GemmTypes kFolded16{Operand::kS16, Operand::kU4};

#if defined(__x86_64__)

TEST_CASE("AVX2 alone: tables, then 16-bit sums, then pairs of 16 bits") {
  const Core core{CpuClass::kX86Avx2, "avx2"};
  CHECK(Chosen(core, kW1A1) == "w1a1/lut/avx2");
  CHECK(Chosen(core, kW1A2) == "w1a2/lut/avx2");
  CHECK(Chosen(core, kW2A2) == "w2a2/lut/avx2");
  CHECK(Chosen(core, kW4A4) == "w4a4/maddubs/avx2");
  CHECK(Chosen(core, kW2A8) == "w4a4/maddubs/avx2");
  CHECK(Chosen(core, kW8A8) == "w8a8/maddubs/avx2");
  CHECK(Chosen(core, kFolded16) == "w8a8/madd/avx2");
}

TEST_CASE("AVX-VNNI: the dot product takes over from 4 bits on") {
  const Core core{CpuClass::kX86AvxVnni, "avxvnni"};
  CHECK(Chosen(core, kW1A1) == "w1a1/lut/avx2");
  CHECK(Chosen(core, kW2A2) == "w2a2/lut/avx2");
  CHECK(Chosen(core, kW4A4) == "w8a8/vnni/avxvnni");
  CHECK(Chosen(core, kW8A8) == "w8a8/vnni/avxvnni");
}

TEST_CASE("AVX-512 clients: popcount and 6-bit tables") {
  const Core core{CpuClass::kX86Avx512Client, "avx512dl"};
  CHECK(Chosen(core, kW1A1) == "w1a1/popcount/avx512vpopcntdq");
  CHECK(Chosen(core, kW1A2) == "w1a2/lut/avx512vbmi");
  CHECK(Chosen(core, kW2A2) == "w2a2/lut/avx512vbmi");
  CHECK(Chosen(core, kW4A4) == "w8a8/vnni/avx512vnni");
  CHECK(Chosen(core, kW8A8) == "w8a8/vnni/avx512vnni");
}

TEST_CASE("AVX-512 servers: twice the dot product") {
  for (CpuClass cpu : {CpuClass::kX86Avx512Server, CpuClass::kX86Amx}) {
    const Core core{cpu, "avx512dl"};
    CHECK(Chosen(core, kW1A1) == "w1a1/popcount/avx512vpopcntdq");
    CHECK(Chosen(core, kW1A2) == "w1a2/lut/avx512vbmi");
    CHECK(Chosen(core, kW4A4) == "w8a8/vnni/avx512vnni");
  }
  // Skylake-SP has neither popcount nor VNNI; Cascade Lake has VNNI.
  CHECK(Chosen({CpuClass::kX86Avx512Server, "avx512"}, kW8A8) ==
        "w8a8/maddubs/avx2");
  CHECK(Chosen({CpuClass::kX86Avx512Server, "avx512vnni"}, kW8A8) ==
        "w8a8/vnni/avx512vnni");
}

#elif defined(__aarch64__)

TEST_CASE("Cortex-A72 has no dot product: tables for 2 bits") {
  const Core core{CpuClass::kArmA72, "neon"};
  CHECK(Chosen(core, kW1A1) == "w1a1/cnt/neon");
  CHECK(Chosen(core, kW1A2) == "w1a2/tbl/neon");
  CHECK(Chosen(core, kW2A2) == "w2a2/tbl/neon");
  CHECK(Chosen(core, kW8A8) == "w8a8/mlal/neon");
}

TEST_CASE("Cores with a dot product take it from 2-bit weights on") {
  for (CpuClass cpu : {CpuClass::kArmA76, CpuClass::kArmX1}) {
    const Core core{cpu, "neondot"};
    CHECK(Chosen(core, kW1A1) == "w1a1/cnt/neon");
    CHECK(Chosen(core, kW1A2) == "w1a2/tbl/neon");
    CHECK(Chosen(core, kW2A2) == "w8a8/dot/neondot");
    CHECK(Chosen(core, kW8A8) == "w8a8/dot/neondot");
  }
  CHECK(Chosen({CpuClass::kArmInOrder, "neondot"}, kW4A4) ==
        "w8a8/dot/neondot");
  CHECK(Chosen({CpuClass::kArmInOrder, "neon"}, kW1A1) == "w1a1/cnt/neon");
}

#endif

TEST_CASE("cost lines are whole, once for each kernel and class") {
  std::set<std::pair<std::string_view, CpuClass>> seen;
  for (const GemmCost& cost : GemmCosts()) {
    INFO(cost.kernel);
    CHECK(seen.insert({cost.kernel, cost.cpu}).second);
    CHECK(cost.mac_per_cycle > 0);
    CHECK(cost.one_row > 0);
    CHECK(cost.one_row <= cost.mac_per_cycle);
    CHECK(cost.per_output >= 0);
    CHECK(cost.per_lhs >= 0);
    CHECK_FALSE(CpuClassName(cost.cpu).empty());
  }
}

TEST_CASE("predicted cycles follow the model") {
  const GemmKernel* kernel = SelectGemm({{}, 8, 64, 64}, DetectCpu());
  REQUIRE(kernel != nullptr);
  const GemmCost cost{kernel->name,        CpuClass::kGeneric, 10, 0.5, 2, 5,
                      CostSource::kCounted};
  const double outputs = 3.0 * static_cast<double>(kernel->n_unit);
  const GemmQuery many{{}, 3, 1, 20}, one{{}, 1, 1, 20};
  CHECK(PredictCycles(*kernel, cost, many) ==
        Approx(outputs * (20.0 / 10 + 0.5) + 3 * 20 * 2));
  CHECK(PredictCycles(*kernel, cost, one) ==
        Approx(outputs / 3 * (20.0 / 5 + 0.5) + 20 * 2));
}

}  // namespace
}  // namespace bittern::kernels
