// Every kernel of gemm_kernels.inc on every target that this CPU has (and the
// AVX-512 kernels over SIMDe) against plain loops: every pair of operand types
// that it takes, lengths around each lane count and widening limit, extremes,
// guard bytes around what a kernel writes.
#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <set>
#include <string>

#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_cost.h"
#include "tests/kernels/gemm/product.h"

namespace bittern::kernels {

#if defined(__x86_64__)
// gemm_simde.cc
std::vector<const GemmKernel*> GemmSimdeKernels();
#endif

namespace {

using test::Fill;
using test::FloatBits;
using test::Guarded;
using test::MakeProduct;
using test::Product;

// Each distinct kernel that can run here, whatever cap it takes to reach it.
const std::vector<const GemmKernel*>& AllKernels() {
  static const std::vector<const GemmKernel*> kernels = [] {
    std::vector<const GemmKernel*> all;
    for (std::string_view target : TargetNames()) {
      CpuFeatures cpu;
      if (!CapCpu(DetectCpu(), target, &cpu)) continue;
      for (const GemmKernel* kernel : GemmKernels(cpu)) {
        if (std::find(all.begin(), all.end(), kernel) == all.end())
          all.push_back(kernel);
      }
    }
#if defined(__x86_64__)
    for (const GemmKernel* kernel : GemmSimdeKernels()) all.push_back(kernel);
#endif
    return all;
  }();
  return kernels;
}

// Highway 1.0.3 has no fused multiply-add on these targets: a chain of k
// rounded products and sums of values near 1. Look-ups only add.
bool IsUnfused(const GemmKernel& kernel) {
  const std::string_view name = kernel.name;
  if (name.find("/lut/") != name.npos) return false;
  const std::string_view isa = name.substr(name.rfind('/') + 1);
  return isa == "sse4" || isa == "scalar";
}

constexpr float kUnfusedTolerance =
    1e-6f;  // times k and the largest weight: one rounding more per step

bool Same(const GemmKernel& kernel, const Product& p, int32_t got,
          int32_t expected) {
  if (p.types.activations != Operand::kF32 || !IsUnfused(kernel))
    return got == expected;
  float a, b;
  std::memcpy(&a, &got, sizeof(a));
  std::memcpy(&b, &expected, sizeof(b));
  const auto scale =
      static_cast<float>(std::max(1, RangeOf(p.types.weights).MaxAbs()));
  return std::fabs(a - b) <=
         kUnfusedTolerance * scale * static_cast<float>(p.k);
}

// Runs rows [row, row + rows) of the first n channels and compares; returns
// what went wrong, or "".
std::string CheckStrip(const GemmKernel& kernel, const Product& p, size_t n,
                       const void* packed_rhs, size_t row, size_t rows) {
  Guarded lhs(kernel.packed_lhs_bytes != nullptr
                  ? kernel.packed_lhs_bytes(p.types, rows, p.k)
                  : 0);
  Guarded scratch(
      kernel.scratch_bytes != nullptr ? kernel.scratch_bytes(p.types, p.k) : 0);
  if (kernel.pack_lhs != nullptr)
    kernel.pack_lhs(p.types, p.lhs, p.k, row, rows, lhs.As<void>());
  const size_t stride =
      kernel.nr + 16;  // int32 elements; the 16 past nr must stay as they are
  Guarded strip(rows * stride * sizeof(int32_t));
  for (size_t tile = 0; tile < CeilDiv(n, kernel.nr); ++tile) {
    strip.Fill(0xA5);
    const void* packed_lhs =
        kernel.pack_lhs != nullptr ? lhs.As<void>() : nullptr;
    kernel.run({p.types, &p.lhs, packed_lhs, row, packed_rhs, p.k, n, row, rows,
                tile, strip.As<void>(),
                static_cast<ptrdiff_t>(stride * sizeof(int32_t)),
                scratch.As<void>()});
    for (size_t r = 0; r < rows; ++r) {
      for (size_t j = 0; j < stride; ++j) {
        const size_t channel = tile * kernel.nr + j;
        const int32_t got = strip.As<int32_t>()[r * stride + j];
        if (j >= kernel.nr && got != static_cast<int32_t>(0xA5A5A5A5))
          return "wrote past the tile";
        if (j >= kernel.nr || channel >= n) continue;
        const int32_t expected = p.expected[(row + r) * p.n + channel];
        if (Same(kernel, p, got, expected)) continue;
        return "row " + std::to_string(row + r) + " channel " +
               std::to_string(channel) + ": got " + std::to_string(got) +
               ", expected " + std::to_string(expected);
      }
    }
  }
  return lhs.Intact() && strip.Intact() && scratch.Intact()
             ? ""
             : "wrote outside a buffer";
}

// The product of the first m rows and n channels, whole and from an odd row on.
void Check(const GemmKernel& kernel, const Product& p, size_t m, size_t n) {
  if (p.k > kernel.max_k(p.types)) return;
  Guarded packed(kernel.packed_rhs_bytes(p.types, n, p.k));
  p.Pack(kernel, n, packed.As<void>());
  INFO(kernel.name << " " << p.Name() << " m " << m << " n " << n << " k "
                   << p.k);
  REQUIRE(packed.Intact());
  REQUIRE(CheckStrip(kernel, p, n, packed.As<void>(), 0, m) == "");
  if (m > 1)
    REQUIRE(CheckStrip(kernel, p, n, packed.As<void>(), 1, m - 1) == "");
}

// The references take a thousand times as long, so they meet short k only.
constexpr size_t kReferenceK = 130;

void CheckAll(const Product& p, size_t m, size_t n) {
  for (const GemmKernel* kernel : AllKernels()) {
    if (p.k <= kReferenceK || !IsReference(*kernel)) Check(*kernel, p, m, n);
  }
}

constexpr size_t kRows[] = {1, 2, 3, 5, 7, 8, 9, 17};
constexpr size_t kChannels[] = {1,  15, 16, 17,  31,  33,  64,
                                65, 96, 97, 127, 128, 129, 192};
constexpr size_t kMaxRows = 17, kMaxChannels = 192;

// All row counts with one channel count and the other way round: both
// remainders meet every k without their whole product.
void CheckShapes(const Product& p) {
  for (size_t m : kRows) CheckAll(p, m, kMaxChannels - m);
  for (size_t n : kChannels) CheckAll(p, 5, n);
}

constexpr Operand kWeights[] = {
    Operand::kBipolar,  Operand::kTernary, Operand::kBipolar2, Operand::kU2,
    Operand::kS2,       Operand::kU3,      Operand::kS3,       Operand::kU4,
    Operand::kS4,       Operand::kU8,      Operand::kS8,       Operand::kS16,
    Operand::kBipolar3, Operand::kBipolar4};
constexpr Operand kActivations[] = {
    Operand::kSign, Operand::kTernary, Operand::kBipolar2, Operand::kU1,
    Operand::kU2,   Operand::kU3,      Operand::kU4,       Operand::kU8,
    Operand::kS2,   Operand::kS3,      Operand::kS4,       Operand::kS8};
constexpr Fill kExtremes[] = {Fill::kHighHigh, Fill::kHighLow, Fill::kLowHigh,
                              Fill::kLowLow, Fill::kZeros};

// One pair of each kind of kernel meets all shapes; the test below meets all
// pairs.
constexpr GemmTypes kShapePairs[] = {
    {Operand::kBipolar, Operand::kSign}, {Operand::kBipolar, Operand::kU2},
    {Operand::kTernary, Operand::kU2},   {Operand::kTernary, Operand::kSign},
    {Operand::kS4, Operand::kU4},        {Operand::kTernary, Operand::kS8},
    {Operand::kS4, Operand::kS8},        {Operand::kS8, Operand::kU8},
    {Operand::kS8, Operand::kS8},        {Operand::kS16, Operand::kU4},
    {Operand::kS3, Operand::kU3},        {Operand::kBipolar, Operand::kU4}};

TEST_CASE("code kernels equal plain loops") {
  for (const GemmTypes types : kShapePairs) {
    for (size_t k : std::initializer_list<size_t>{1, 2, 3, 31, 32, 33, 63, 64,
                                                  65, 100, 127, 128, 192, 768})
      CheckShapes(
          MakeProduct(types, kMaxRows, kMaxChannels, k, Fill::kMixed, k));
  }
}

TEST_CASE("w1a1 kernels equal plain loops on rows without zeros") {
  const GemmTypes types{Operand::kBipolar, Operand::kSign};
  for (size_t k : std::initializer_list<size_t>{1, 31, 32, 33, 63, 64, 65, 96,
                                                123, 124, 125, 128, 768, 1536})
    CheckShapes(MakeProduct(types, kMaxRows, kMaxChannels, k, Fill::kDense, k));
}

TEST_CASE("every pair of code types, widening limits and extremes") {
  for (Operand weights : kWeights) {
    for (Operand activations : kActivations) {
      const GemmTypes types{weights, activations};
      for (size_t k : std::initializer_list<size_t>{7, 130, 249, 1024})
        CheckAll(MakeProduct(types, 6, 70, k, Fill::kMixed, k), 6, 70);
      for (Fill fill : kExtremes) {
        CheckAll(MakeProduct(types, 3, 130, 520, fill, 1), 3, 130);
        CheckAll(MakeProduct(types, 3, 18, 3001, fill, 1), 3, 18);
      }
    }
  }
}

TEST_CASE("8-bit weights whose sums of four products end 16 bits") {
  for (Operand weights : {Operand::kS8, Operand::kU8}) {
    for (Operand activations :
         {Operand::kU8, Operand::kS8, Operand::kU4, Operand::kSign}) {
      const GemmTypes types{weights, activations};
      for (size_t k : std::initializer_list<size_t>{8, 13, 100, 520})
        CheckAll(MakeProduct(types, 6, 40, k, Fill::kQuarter, k), 6, 40);
      for (size_t k : std::initializer_list<size_t>{64, 191, 770})
        CheckAll(MakeProduct(types, 6, 40, k, Fill::kNormal, k), 6, 40);
    }
  }
}

TEST_CASE("kernels reach the largest k they promise") {
  for (const GemmKernel* kernel : AllKernels()) {
    for (const GemmTypes types : kShapePairs) {
      // Past what 16 bits hold.
      const size_t k = std::min<size_t>(kernel->max_k(types), 70000);
      if (k == 0) continue;
      for (Fill fill : {Fill::kHighHigh, Fill::kLowHigh})
        Check(*kernel, MakeProduct(types, 2, 2, k, fill, 1), 2, 2);
    }
  }
}

TEST_CASE("f32 kernels equal a chain of fused multiply-adds") {
  for (size_t k :
       std::initializer_list<size_t>{1, 2, 31, 32, 33, 64, 100, 192, 768})
    CheckShapes(MakeProduct({Operand::kF32, Operand::kF32}, kMaxRows,
                            kMaxChannels, k, Fill::kMixed, k));
}

TEST_CASE("packed weights times floats equal a chain of fused multiply-adds") {
  for (Operand weights : kWeights) {
    const GemmTypes types{weights, Operand::kF32};
    for (size_t k : std::initializer_list<size_t>{1, 5, 63, 64, 65, 128, 200})
      CheckAll(MakeProduct(types, 9, 130, k, Fill::kMixed, k), 9, 130);
  }
  for (size_t k : std::initializer_list<size_t>{1, 33, 129, 192})
    CheckShapes(MakeProduct({Operand::kS4, Operand::kF32}, kMaxRows,
                            kMaxChannels, k, Fill::kMixed, k));
}

constexpr GemmTypes kThrees{Operand::kBipolar, Operand::kF32, 0, false, true};

TEST_CASE("weights of +-1 times floats equal sums of three") {
  for (size_t k : std::initializer_list<size_t>{
           1, 2, 3, 4, 29, 30, 31, 32, 89, 90, 91, 389, 390, 391, 392, 800})
    CheckShapes(
        MakeProduct(kThrees, kMaxRows, kMaxChannels, k, Fill::kMixed, k));
}

TEST_CASE("sums of three keep signed zeros, infinities and NaN") {
  Product p = MakeProduct(kThrees, 2, 20, 5, Fill::kMixed, 5);
  const float inf = HUGE_VALF;
  const float special[] = {inf,   -0.0f, 3e38f, 1, 2,      0, 0, 0,
                           -0.0f, 3e38f, 3e38f, 0, 1e-45f, 0, 0, 0};
  std::copy(std::begin(special), std::end(special), p.floats.begin());
  for (size_t i = 0; i < p.expected.size(); ++i) {
    float sum = 0;
    for (size_t k = 0; k < p.k; k += 3) {
      float three = 0;
      for (size_t b = k; b < p.k && b < k + 3; ++b) {
        const int32_t weight = ValueAt(
            {p.canonical.data(), Operand::kBipolar, p.n, p.k}, i % p.n, b);
        three += p.FloatAt(i / p.n, b) * static_cast<float>(weight);
      }
      sum += three;
    }
    p.expected[i] = FloatBits(sum);
  }
  const auto is_nan = [](int32_t bits) {
    return (bits & 0x7FFFFFFF) > 0x7F800000;
  };
  REQUIRE(std::none_of(p.expected.begin(), p.expected.end(), is_nan));
  for (const GemmKernel* kernel : AllKernels()) Check(*kernel, p, 2, 20);
}

TEST_CASE("weights in groups times floats equal a chain on their values") {
  const auto check = [](Operand weights, size_t group, size_t k) {
    for (bool zeros : {false, true}) {
      const GemmTypes types{weights, Operand::kF32, group, zeros};
      const Fill fill = group % 2 == 0 ? Fill::kMixed : Fill::kFractions;
      CheckAll(MakeProduct(types, 9, 130, k, fill, k), 9, 130);
      CheckAll(MakeProduct(types, 1, 130, k, fill, k), 1, 130);
    }
  };
  for (Operand weights : kWeights) {
    if (!TakesGroups(weights)) continue;
    for (size_t group : std::initializer_list<size_t>{1, 5, 16, 32, 33, 500}) {
      for (size_t k : std::initializer_list<size_t>{1, 31, 64, 97, 200})
        check(weights, group, k);
    }
  }
  check(Operand::kU1, 7, 100);
  check(Operand::kU1, 128, 300);
  for (size_t k : std::initializer_list<size_t>{33, 129, 193}) {
    CheckShapes(MakeProduct({Operand::kU4, Operand::kF32, 32, true}, kMaxRows,
                            kMaxChannels, k, Fill::kFractions, k));
  }
}

TEST_CASE("groups of small scales keep every bit") {
  Product p = MakeProduct({Operand::kS4, Operand::kF32, 16, false}, 2, 20, 40,
                          Fill::kMixed, 1);
  for (float& scale : p.scale) scale = std::ldexp(scale, -128);  // subnormal
  for (size_t i = 0; i < p.expected.size(); ++i) {
    float sum = 0;
    for (size_t k = 0; k < p.k; ++k) {
      const size_t n = i % p.n;
      const auto code = static_cast<float>(
          ValueAt({p.canonical.data(), Operand::kS4, p.n, p.k}, n, k));
      sum =
          std::fma(p.FloatAt(i / p.n, k), code * p.scale[n * 3 + k / 16], sum);
    }
    p.expected[i] = FloatBits(sum);
  }
  for (const GemmKernel* kernel : AllKernels()) {
    if (!IsUnfused(*kernel)) Check(*kernel, p, 2, 20);
  }
}

TEST_CASE("f32 kernels keep signed zeros, infinities and NaN of the chain") {
  Product p =
      MakeProduct({Operand::kF32, Operand::kF32}, 2, 20, 3, Fill::kMixed, 5);
  const float inf = HUGE_VALF;
  const float special[] = {inf, -inf, 0.0f, 0, -0.0f, 1.0f, -1.0f, 0};
  std::copy(std::begin(special), std::end(special), p.floats.begin());
  const auto* w = reinterpret_cast<const float*>(p.canonical.data());
  for (size_t i = 0; i < p.expected.size(); ++i) {
    float sum = 0;
    for (size_t k = 0; k < 3; ++k)
      sum = std::fma(p.FloatAt(i / 20, k), w[i % 20 * 3 + k], sum);
    p.expected[i] = FloatBits(sum);
  }
  for (const GemmKernel* kernel : AllKernels()) {
    if (!IsUnfused(*kernel)) Check(*kernel, p, 2, 20);
  }
}

TEST_CASE("packing does not read the padding bits of a row") {
  for (Operand weights : {Operand::kBipolar, Operand::kS2, Operand::kS3}) {
    for (size_t k : std::initializer_list<size_t>{1, 5, 33, 63, 101}) {
      const GemmTypes types{weights, weights == Operand::kBipolar
                                         ? Operand::kSign
                                         : Operand::kU2};
      Product p = MakeProduct(types, 1, 20, k, Fill::kDense, 3);
      const size_t row = CanonicalRowBytes(weights, k);
      const size_t used = k * FieldBits(weights) % 8;
      for (size_t j = 0; j < 20 && used != 0; ++j)
        p.canonical[(j + 1) * row - 1] ^= static_cast<uint8_t>(0xFF << used);
      CheckAll(p, 1, 20);
    }
  }
}

// A CPU with everything, narrowed to `target`: selection for CPUs that we do
// not own.
CpuFeatures Imagined(std::string_view target) {
  CpuFeatures cpu;
  REQUIRE(
      CapCpu({~uint32_t{0}, ~int64_t{0}, CpuClass::kGeneric}, target, &cpu));
  return cpu;
}

std::string Selected(std::string_view target, const GemmQuery& query) {
  const GemmKernel* kernel = SelectGemm(query, Imagined(target));
  return kernel == nullptr ? "none" : kernel->name;
}

constexpr GemmQuery kCodes{{Operand::kBipolar, Operand::kSign}, 198, 768, 192};
constexpr GemmQuery kFloats{{Operand::kF32, Operand::kF32}, 196, 192, 768};

#if defined(__x86_64__)
TEST_CASE("selection on x86") {
  CHECK(Selected("scalar", kCodes) == "w1a1/popcount/scalar");
  CHECK(Selected("sse4", kCodes) == "w1a1/popcount/sse4");
  CHECK(Selected("avx2", kCodes) == "w1a1/lut/avx2");
  CHECK(Selected("avx512dl", kCodes) == "w1a1/popcount/avx512vpopcntdq");
  CHECK(Selected("avx2", kFloats) == "f32/fma/avx2");
  CHECK(Selected("avx512", kFloats) == "f32/fma/avx512");
  CHECK(Selected("avx512dl", kFloats) == "f32/fma/avx512");
  GemmQuery long_rows = kCodes;
  long_rows.k = 40000;  // past the look-up kernel's 16-bit sums
  CHECK(Selected("avx2", long_rows) == "w1a1/popcount/avx2");
}
#elif defined(__aarch64__)
TEST_CASE("selection on AArch64") {
  CHECK(Selected("neon", kCodes) == "w1a1/cnt/neon");
  CHECK(Selected("neondot", kFloats) == "f32/fma/neon");
}
#endif

TEST_CASE("selection matches operands") {
  CHECK(SelectGemm({{Operand::kF32, Operand::kSign}, 8, 8, 8}, DetectCpu()) ==
        nullptr);
  CHECK(SelectGemm({{Operand::kS8, Operand::kS16}, 8, 8, 8}, DetectCpu()) ==
        nullptr);
  CHECK(SelectGemm({{Operand::kS4, Operand::kU8, 32}, 8, 8, 64}, DetectCpu()) ==
        nullptr);
  CHECK(SelectGemm({{Operand::kBipolar, Operand::kF32, 32}, 8, 8, 64},
                   DetectCpu()) == nullptr);
  // Empty sums, too, are of their operands' kernels.
  const GemmKernel* empty = SelectGemm({{}, 8, 8, 0}, DetectCpu());
  REQUIRE(empty != nullptr);
  CHECK(empty->max_k({}) > 0);
  for (std::string_view target : TargetNames()) {
    for (const GemmQuery& query : {kCodes, kFloats}) {
      const GemmKernel* kernel = SelectGemm(query, Imagined(target));
      REQUIRE(kernel != nullptr);
      CHECK_FALSE(IsReference(*kernel));
    }
    for (Operand weights : kWeights) {
      const GemmQuery groups{{weights, Operand::kF32, 32, true}, 8, 8, 64};
      const GemmKernel* of_groups = SelectGemm(groups, Imagined(target));
      CHECK((of_groups != nullptr) == TakesGroups(weights));
      if (of_groups != nullptr) CHECK_FALSE(IsReference(*of_groups));
      for (Operand activations : kActivations) {
        const GemmQuery query{{weights, activations}, 198, 192, 192};
        const GemmKernel* kernel = SelectGemm(query, Imagined(target));
        REQUIRE(kernel != nullptr);
        CHECK(kernel->max_k(query.types) >= 192);
      }
    }
  }
}

TEST_CASE("kernel descriptors are whole, have costs, references come first") {
  for (std::string_view target : TargetNames()) {
    const auto kernels = GemmKernels(Imagined(target));
    REQUIRE(kernels.size() >= 4);
    CHECK(IsReference(*kernels[0]));
    CHECK(IsReference(*kernels[1]));
    std::set<std::string> names;
    for (const GemmKernel* kernel : kernels) {
      INFO(kernel->name);
      CHECK(names.insert(kernel->name).second);
      CHECK(kernel->nr % (IsReference(*kernel) ? 1 : 16) == 0);
      CHECK(kernel->mr >= 1);
      CHECK((kernel->pack_lhs == nullptr) ==
            (kernel->packed_lhs_bytes == nullptr));
      REQUIRE(FindGemmCost(*kernel, CpuClass::kGeneric) != nullptr);
      CHECK(PredictCycles(*kernel, *FindGemmCost(*kernel, CpuClass::kGeneric),
                          kCodes) > 0);
    }
  }
}

}  // namespace
}  // namespace bittern::kernels
