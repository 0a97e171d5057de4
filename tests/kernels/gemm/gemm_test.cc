// Every kernel of gemm_kernels.inc on every target that this CPU has (and the
// AVX-512 kernel over SIMDe) against plain loops, over lengths around each lane
// count and widening limit, with and without zeros, guard bytes around what a
// kernel writes.
#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <set>
#include <string>

#include "kernels/base/bits.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::kernels {

#if defined(__x86_64__)
GemmKernelList GemmW1A1Avx512VpopcntdqSimde();  // gemm_simde.cc
#endif

namespace {

using test::Guarded;
using test::Random;

// Each distinct kernel that can run here, whatever cap it takes to reach it.
std::vector<const GemmKernel*> AllKernels() {
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
  for (const GemmKernel& kernel : GemmW1A1Avx512VpopcntdqSimde())
    all.push_back(&kernel);
#endif
  return all;
}

// How a row of codes is filled. kMixed cycles through the others, so that row
// blocks have rows with and without zeros.
enum class Fill { kDense, kZeros, kAllZero, kAllPlus, kAllMinus, kMixed };

struct Codes {
  std::vector<uint64_t> storage;
  CodePlanes planes;
};

void FillRow(CodePlanes& p, size_t row, Fill fill, Random& random) {
  int32_t valid = 0;
  for (size_t c = 0; c < p.cols; ++c) {
    const uint64_t bit = uint64_t{1} << (c % 64);
    const size_t word = row * p.row_words + c / 64;
    const bool zero = fill == Fill::kAllZero ||
                      (fill == Fill::kZeros && random.Below(4) == 0);
    const bool plus = fill == Fill::kAllPlus ||
                      (fill != Fill::kAllMinus && random.Below(2) == 0);
    if (zero) continue;
    ++valid;
    p.valid[word] |= bit;
    if (plus) p.sign[word] |= bit;
  }
  p.valid_count[row] = valid;
}

Codes MakeCodes(size_t m, size_t k, Fill fill, Random& random) {
  Codes codes;
  codes.storage.resize(CodePlanesBytes(m, k, k) / 8 + 8);
  const auto address = reinterpret_cast<uintptr_t>(codes.storage.data());
  codes.planes = ViewCodePlanes(
      codes.storage.data() + (RoundUp(address, 64) - address) / 8, m, k, k);
  for (size_t r = 0; r < m; ++r) {
    const auto mixed =
        static_cast<Fill>((r + k) % static_cast<size_t>(Fill::kMixed));
    FillRow(codes.planes, r, fill == Fill::kMixed ? mixed : fill, random);
  }
  return codes;
}

// One product: both operands in canonical form and what is expected, by loops
// that share nothing with the kernels.
struct Product {
  size_t m, n, k;
  Operand weights;
  std::vector<uint8_t> canonical;
  Codes codes;
  std::vector<float> rows;
  std::vector<int32_t> expected;  // bits of the float for kF32
  GemmLhs lhs;
};

Product CodeProduct(size_t m, size_t n, size_t k, Fill fill, uint64_t seed) {
  Random random(seed);
  Product p{m,
            n,
            k,
            Operand::kBipolar,
            std::vector<uint8_t>(n * CeilDiv(k, 8)),
            MakeCodes(m, k, fill, random),
            {},
            {},
            {}};
  for (uint8_t& byte : p.canonical)
    byte = static_cast<uint8_t>(
        random.Below(256));  // padding bits are garbage on purpose
  std::fill_n(p.canonical.begin(), CeilDiv(k, 8),
              uint8_t{0xFF});  // channel 0: all +1
  if (n > 1)
    std::fill_n(p.canonical.begin() + static_cast<ptrdiff_t>(CeilDiv(k, 8)),
                CeilDiv(k, 8), uint8_t{0});  // all -1
  p.lhs.planes = p.codes.planes;
  std::vector<int8_t> w(n * k), a(m * k);
  for (size_t j = 0; j < n; ++j) {
    for (size_t i = 0; i < k; ++i)
      w[j * k + i] =
          (p.canonical[j * CeilDiv(k, 8) + i / 8] >> (i % 8) & 1) != 0 ? 1 : -1;
  }
  for (size_t r = 0; r < m; ++r) {
    for (size_t i = 0; i < k; ++i)
      a[r * k + i] = static_cast<int8_t>(CodeAt(p.codes.planes, r, i));
  }
  for (size_t r = 0; r < m; ++r) {
    for (size_t j = 0; j < n; ++j) {
      int32_t sum = 0;
      for (size_t i = 0; i < k; ++i) sum += a[r * k + i] * w[j * k + i];
      p.expected.push_back(sum);
    }
  }
  return p;
}

int32_t Bits(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float Float(int32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

constexpr size_t kRowGap =
    3;  // floats between left rows: strides are not row lengths

Product FloatProduct(size_t m, size_t n, size_t k, uint64_t seed) {
  Random random(seed);
  Product p{m,
            n,
            k,
            Operand::kF32,
            std::vector<uint8_t>(n * k * 4),
            {},
            random.Normals(m * (k + kRowGap)),
            {},
            {}};
  const std::vector<float> w = random.Normals(n * k);
  std::memcpy(p.canonical.data(), w.data(), p.canonical.size());
  p.lhs.f32 = p.rows.data();
  p.lhs.f32_stride = static_cast<ptrdiff_t>((k + kRowGap) * sizeof(float));
  for (size_t r = 0; r < m; ++r) {
    for (size_t j = 0; j < n; ++j) {
      float sum = 0;
      for (size_t i = 0; i < k; ++i)
        sum = std::fma(p.rows[r * (k + kRowGap) + i], w[j * k + i], sum);
      p.expected.push_back(Bits(sum));
    }
  }
  return p;
}

// Highway 1.0.3 has no fused multiply-add on these targets: a chain of k
// rounded products and sums of values near 1.
bool IsUnfused(const GemmKernel& kernel) {
  return std::string_view(kernel.name) == "f32/fma/sse4" ||
         std::string_view(kernel.name) == "f32/fma/scalar";
}

constexpr float kUnfusedTolerance =
    1e-6f;  // times k: one rounding more per step than the fused chain

bool Same(const GemmKernel& kernel, int32_t got, int32_t expected, size_t k) {
  if (kernel.weights != Operand::kF32 || !IsUnfused(kernel))
    return got == expected;
  return std::fabs(Float(got) - Float(expected)) <=
         kUnfusedTolerance * static_cast<float>(k);
}

// Runs rows [row, row + rows) of the first n channels and compares; returns
// what went wrong, or "".
std::string CheckStrip(const GemmKernel& kernel, const Product& p, size_t n,
                       const void* packed_rhs, size_t row, size_t rows) {
  Guarded lhs(kernel.packed_lhs_bytes != nullptr
                  ? kernel.packed_lhs_bytes(rows, p.k)
                  : 0);
  if (kernel.pack_lhs != nullptr)
    kernel.pack_lhs(p.lhs, p.k, row, rows, lhs.As<void>());
  const size_t stride =
      kernel.nr + 16;  // int32 elements; the 16 past nr must stay as they are
  Guarded strip(rows * stride * sizeof(int32_t));
  for (size_t tile = 0; tile < CeilDiv(n, kernel.nr); ++tile) {
    strip.Fill(0xA5);
    const void* packed_lhs =
        kernel.pack_lhs != nullptr ? lhs.As<void>() : nullptr;
    kernel.run({&p.lhs, packed_lhs, row, packed_rhs, p.k, n, row, rows, tile,
                strip.As<void>(),
                static_cast<ptrdiff_t>(stride * sizeof(int32_t))});
    for (size_t r = 0; r < rows; ++r) {
      for (size_t j = 0; j < stride; ++j) {
        const size_t channel = tile * kernel.nr + j;
        const int32_t got = strip.As<int32_t>()[r * stride + j];
        if (j >= kernel.nr && got != static_cast<int32_t>(0xA5A5A5A5))
          return "wrote past the tile";
        if (j >= kernel.nr || channel >= n) continue;
        const int32_t expected = p.expected[(row + r) * p.n + channel];
        if (Same(kernel, got, expected, p.k)) continue;
        return "row " + std::to_string(row + r) + " channel " +
               std::to_string(channel) + ": got " + std::to_string(got) +
               ", expected " + std::to_string(expected);
      }
    }
  }
  return lhs.Intact() && strip.Intact() ? "" : "wrote outside a buffer";
}

// The product of the first m rows and n channels, whole and from an odd row on.
void Check(const GemmKernel& kernel, const Product& p, size_t m, size_t n) {
  if (kernel.weights != p.weights || p.k > kernel.max_k) return;
  Guarded packed(kernel.packed_rhs_bytes(n, p.k));
  kernel.pack_rhs(p.canonical.data(), n, p.k, packed.As<void>());
  INFO(kernel.name << " m " << m << " n " << n << " k " << p.k);
  REQUIRE(packed.Intact());
  REQUIRE(CheckStrip(kernel, p, n, packed.As<void>(), 0, m) == "");
  if (m > 1)
    REQUIRE(CheckStrip(kernel, p, n, packed.As<void>(), 1, m - 1) == "");
}

constexpr size_t kRows[] = {1, 2, 3, 7, 8, 9, 17};
constexpr size_t kChannels[] = {1,  15, 16,  17,  31,  33,
                                64, 65, 127, 128, 129, 192};
constexpr size_t kMaxRows = 17, kMaxChannels = 192;

// All row counts with one channel count and the other way round: both
// remainders meet every k without their whole product.
void CheckShapes(const Product& p) {
  for (const GemmKernel* kernel : AllKernels()) {
    for (size_t m : kRows) Check(*kernel, p, m, kMaxChannels - m);
    for (size_t n : kChannels) Check(*kernel, p, 5, n);
  }
}

TEST_CASE("w1a1 kernels equal plain loops") {
  for (size_t k :
       std::initializer_list<size_t>{1, 2, 31, 32, 33, 63, 64, 65, 96, 100, 123,
                                     124, 125, 127, 128, 192, 768, 1536}) {
    CheckShapes(CodeProduct(kMaxRows, kMaxChannels, k, Fill::kDense, k));
    CheckShapes(CodeProduct(kMaxRows, kMaxChannels, k, Fill::kMixed, k));
  }
}

TEST_CASE("w1a1 kernels equal plain loops at widening limits") {
  for (size_t k : std::initializer_list<size_t>{247, 248, 249, 991, 992, 993,
                                                1024, 3000}) {
    for (Fill fill :
         {Fill::kAllPlus, Fill::kAllMinus, Fill::kAllZero, Fill::kZeros}) {
      const Product p = CodeProduct(3, 130, k, fill, k);
      for (const GemmKernel* kernel : AllKernels()) Check(*kernel, p, 3, 130);
    }
  }
}

TEST_CASE("w1a1 kernels reach the largest k they promise") {
  for (const GemmKernel* kernel : AllKernels()) {
    const size_t k =
        std::min<size_t>(kernel->max_k, 70000);  // past what 16 bits hold
    Check(*kernel, CodeProduct(2, 2, k, Fill::kAllPlus, 1), 2, 2);
    Check(*kernel, CodeProduct(2, 2, k, Fill::kAllMinus, 1), 2, 2);
  }
}

TEST_CASE("f32 kernels equal a chain of fused multiply-adds") {
  for (size_t k :
       std::initializer_list<size_t>{1, 2, 31, 32, 33, 64, 100, 192, 768})
    CheckShapes(FloatProduct(kMaxRows, kMaxChannels, k, k));
}

TEST_CASE("f32 kernels keep signed zeros, infinities and NaN of the chain") {
  Product p = FloatProduct(2, 20, 3, 5);
  const float inf = HUGE_VALF;
  const float special[] = {inf, -inf, 0.0f, 0, -0.0f, 1.0f, -1.0f, 0};
  std::copy(std::begin(special), std::end(special), p.rows.begin());
  p.lhs.f32 = p.rows.data();
  const auto* w = reinterpret_cast<const float*>(p.canonical.data());
  for (size_t i = 0; i < p.expected.size(); ++i) {
    float sum = 0;
    for (size_t k = 0; k < 3; ++k)
      sum =
          std::fma(p.rows[i / 20 * (3 + kRowGap) + k], w[i % 20 * 3 + k], sum);
    p.expected[i] = Bits(sum);
  }
  for (const GemmKernel* kernel : AllKernels()) {
    if (!IsUnfused(*kernel)) Check(*kernel, p, 2, 20);
  }
}

TEST_CASE("packing does not read the padding bits of a row") {
  for (size_t k : std::initializer_list<size_t>{1, 5, 33, 63, 100}) {
    Product p = CodeProduct(1, 20, k, Fill::kDense, 3);
    for (const GemmKernel* kernel : AllKernels()) {
      if (kernel->weights != Operand::kBipolar) continue;
      Check(*kernel, p, 1, 20);
    }
    for (size_t j = 0; j < 20 && k % 8 != 0; ++j)
      p.canonical[(j + 1) * CeilDiv(k, 8) - 1] ^=
          static_cast<uint8_t>(0xFF << (k % 8));
    for (const GemmKernel* kernel : AllKernels()) Check(*kernel, p, 1, 20);
  }
}

// A CPU with everything, narrowed to `target`: selection for CPUs that we do
// not own.
CpuFeatures Imagined(std::string_view target) {
  CpuFeatures cpu;
  REQUIRE(CapCpu({~uint32_t{0}, ~int64_t{0}}, target, &cpu));
  return cpu;
}

std::string Selected(std::string_view target, const GemmQuery& query) {
  const GemmKernel* kernel = SelectGemm(query, Imagined(target));
  return kernel == nullptr ? "none" : kernel->name;
}

constexpr GemmQuery kCodes{Operand::kBipolar, Operand::kSign, 198, 768, 192};
constexpr GemmQuery kFloats{Operand::kF32, Operand::kF32, 196, 192, 768};

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

TEST_CASE("selection matches operands and never needs a reference") {
  CHECK(SelectGemm({Operand::kBipolar, Operand::kF32, 8, 8, 8}, DetectCpu()) ==
        nullptr);
  CHECK(SelectGemm({Operand::kF32, Operand::kSign, 8, 8, 8}, DetectCpu()) ==
        nullptr);
  for (std::string_view target : TargetNames()) {
    for (const GemmQuery& query : {kCodes, kFloats}) {
      const GemmKernel* kernel = SelectGemm(query, Imagined(target));
      REQUIRE(kernel != nullptr);
      CHECK(kernel->weights == query.weights);
      CHECK(kernel->activations == query.activations);
      CHECK_FALSE(IsReference(*kernel));
    }
  }
}

TEST_CASE("kernel descriptors are whole and the references come first") {
  for (std::string_view target : TargetNames()) {
    const auto kernels = GemmKernels(Imagined(target));
    REQUIRE(kernels.size() >= 4);
    CHECK(IsReference(*kernels[0]));
    CHECK(IsReference(*kernels[1]));
    std::set<std::string> names;
    for (const GemmKernel* kernel : kernels) {
      INFO(kernel->name);
      CHECK(names.insert(kernel->name).second);
      CHECK(kernel->nr % 16 == 0);
      CHECK(kernel->mr >= 1);
      CHECK((kernel->pack_lhs == nullptr) ==
            (kernel->packed_lhs_bytes == nullptr));
      CHECK(kernel->cycles(
                {kernel->weights, kernel->activations, 198, 192, 192}) > 0);
    }
  }
}

}  // namespace
}  // namespace bittern::kernels
