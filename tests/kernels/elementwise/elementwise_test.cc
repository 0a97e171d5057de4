// Every elementwise kernel on every target against the plain loops, over
// lengths around each vector width, extremes and guard bytes; and a sweep of
// exp, erf, tanh, sigmoid and GELU over the whole fp32 range, bit for bit and
// against libm in double.
#include "kernels/elementwise/elementwise.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/kernels/targets.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::kernels {
namespace {

using test::Guarded;
using test::Random;
using test::SameBits;

// SSE4 and scalar have no fused multiply-add: a polynomial step is off by at
// most one more rounding.
constexpr float kUnfusedRelative = 4e-6f;
constexpr float kUnfusedAbsolute = 1e-6f;

constexpr size_t kLengths[] = {1,  2,  15, 16,  17,  31,  32, 33,
                               63, 64, 65, 192, 197, 198, 768};
const float kExtremes[] = {
    0.0f,       -0.0f,     NAN,     -NAN,     INFINITY, -INFINITY, 0x1p-149f,
    -0x1p-149f, 0x1p-126f, 3.4e38f, -3.4e38f, 0.5f,     1.5f,      2.5f,
    -0.5f,      -2.5f,     88.5f,   -103.0f,  3.92f,    -3.92f,    8388609.0f,
    5.55f,      -5.55f,    5.5499f, -5.5499f};

const ElementwiseKernel& Reference() {
  return *ElementwiseKernels(DetectCpu()).front();
}

bool Agree(float got, float expected, bool exact) {
  if (SameBits(got, expected)) return true;
  if (exact || std::isnan(got) || std::isnan(expected)) return false;
  return std::fabs(got - expected) <=
         std::fabs(expected) * kUnfusedRelative + kUnfusedAbsolute;
}

// Values of every size, every tenth an extreme.
std::vector<float> Values(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> x(count);
  for (float& v : x) {
    v = random.Below(10) == 0
            ? kExtremes[random.Below(std::size(kExtremes))]
            : random.Normal() * (random.Below(2) == 0 ? 1.0f : 20.0f);
  }
  return x;
}

struct Buffer {  // `count` floats between guards, one float off the alignment
  explicit Buffer(const std::vector<float>& x) : guarded(x.size() * 4, 4) {
    std::memcpy(data(), x.data(), x.size() * 4);
  }
  float* data() { return guarded.As<float>(); }
  Guarded guarded;
};

size_t CountWrong(const float* got, const std::vector<float>& expected,
                  bool exact) {
  size_t wrong = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    wrong += !Agree(got[i], expected[i], exact);
  return wrong;
}

TEST_CASE("unary kernels equal the reference") {
  for (const auto& target :
       test::KernelsOnTargets<ElementwiseKernel>(&ElementwiseKernels)) {
    for (size_t f = 0; f < static_cast<size_t>(Unary::kCount); ++f) {
      for (const size_t count : kLengths) {
        CAPTURE(target.name, f, count);
        const std::vector<float> x = Values(count, count);
        std::vector<float> expected(count);
        Reference().unary(static_cast<Unary>(f), x.data(), expected.data(),
                          count);
        Buffer y(x);
        target.kernel->unary(static_cast<Unary>(f), y.data(), y.data(),
                             count);  // in place
        REQUIRE(CountWrong(y.data(), expected, target.exact) == 0);
        REQUIRE(y.guarded.Intact());
      }
    }
  }
}

TEST_CASE("binary kernels equal the reference") {
  for (const auto& target :
       test::KernelsOnTargets<ElementwiseKernel>(&ElementwiseKernels)) {
    for (size_t f = 0; f < static_cast<size_t>(Binary::kCount); ++f) {
      for (const Spread spread :
           {Spread::kBoth, Spread::kLeftScalar, Spread::kRightScalar}) {
        for (const size_t count : kLengths) {
          CAPTURE(target.name, f, static_cast<int>(spread), count);
          const std::vector<float> a = Values(count, count),
                                   b = Values(count, count + 1000);
          std::vector<float> expected(count);
          Reference().binary(static_cast<Binary>(f), spread, a.data(), b.data(),
                             expected.data(), count);
          Buffer left(a), right(b), y(a);
          target.kernel->binary(static_cast<Binary>(f), spread, left.data(),
                                right.data(), y.data(), count);
          REQUIRE(CountWrong(y.data(), expected, target.exact) == 0);
          REQUIRE(y.guarded.Intact());
        }
      }
    }
  }
}

TEST_CASE("clip equals the reference") {
  const std::pair<float, float> bounds[] = {
      {-10, 10}, {0, 1}, {1, -1}, {-INFINITY, 3}, {-0.0f, 0.0f}};
  for (const auto& target :
       test::KernelsOnTargets<ElementwiseKernel>(&ElementwiseKernels)) {
    for (const auto& [lo, hi] : bounds) {
      CAPTURE(target.name, lo, hi);
      const std::vector<float> x = Values(197, 7);
      std::vector<float> expected(x.size());
      Reference().clip(x.data(), lo, hi, expected.data(), x.size());
      Buffer y(x);
      target.kernel->clip(y.data(), lo, hi, y.data(), x.size());
      REQUIRE(CountWrong(y.data(), expected, target.exact) == 0);
      REQUIRE(y.guarded.Intact());
    }
  }
}

TEST_CASE("special values") {
  const auto at = [](Unary f, float x) {
    float y;
    Reference().unary(f, &x, &y, 1);
    return y;
  };
  const float nan = std::bit_cast<float>(0x7fc00000u);
  for (size_t f = 0; f < static_cast<size_t>(Unary::kCount); ++f) {
    if (static_cast<Unary>(f) != Unary::kSign)
      CHECK(SameBits(at(static_cast<Unary>(f), -NAN), nan));
  }
  CHECK(SameBits(at(Unary::kSign, NAN), 0.0f));
  CHECK(SameBits(at(Unary::kSign, -0.0f), 0.0f));
  CHECK(SameBits(at(Unary::kRelu, -0.0f), 0.0f));
  CHECK(SameBits(at(Unary::kErf, -0.0f), -0.0f));
  CHECK(SameBits(at(Unary::kTanh, -0.0f), -0.0f));
  CHECK(at(Unary::kExp, 0.0f) == 1.0f);
  CHECK(at(Unary::kExp, -INFINITY) == 0.0f);
  CHECK(at(Unary::kExp, INFINITY) == INFINITY);
  CHECK(at(Unary::kExp, -103.9f) == 0x1p-149f);
  CHECK(at(Unary::kErf, 3.91983294f) == 1.0f);
  CHECK(at(Unary::kErf, std::nextafter(3.91983294f, 0.0f)) < 1.0f);
  CHECK(at(Unary::kErf, -INFINITY) == -1.0f);
  CHECK(at(Unary::kTanh, 10.0f) == 1.0f);
  CHECK(at(Unary::kRound, 2.5f) == 2.0f);
  CHECK(at(Unary::kRound, -3.5f) == -4.0f);
  CHECK(SameBits(at(Unary::kGelu, -20.0f), 0.0f));
  CHECK(SameBits(at(Unary::kGelu, -0.0f), -0.0f));
  CHECK(at(Unary::kGelu, -INFINITY) == 0.0f);
  CHECK(at(Unary::kGelu, INFINITY) == INFINITY);
  CHECK(at(Unary::kGelu, 6.0f) == 6.0f);
}

// Every 1021st bit pattern: 4.2 million floats of both signs, all exponents,
// infinities, NaNs.
TEST_CASE("float functions give the same bits on every fused target") {
  constexpr size_t kChunk = 4096;
  constexpr uint64_t kStep = 1021;
  std::vector<float> x(kChunk), expected(kChunk), got(kChunk);
  const auto targets =
      test::KernelsOnTargets<ElementwiseKernel>(&ElementwiseKernels);
  for (const Unary f : {Unary::kExp, Unary::kErf, Unary::kTanh, Unary::kSigmoid,
                        Unary::kGelu}) {
    size_t wrong = 0;
    for (uint64_t bits = 0; bits < uint64_t{1} << 32;) {
      for (float& v : x) {
        v = std::bit_cast<float>(static_cast<uint32_t>(bits));
        bits += kStep;
      }
      Reference().unary(f, x.data(), expected.data(), kChunk);
      for (const auto& target : targets) {
        if (!target.exact || target.kernel->is_reference) continue;
        target.kernel->unary(f, x.data(), got.data(), kChunk);
        wrong += std::memcmp(got.data(), expected.data(), kChunk * 4) != 0;
      }
    }
    CAPTURE(static_cast<int>(f));
    CHECK(wrong == 0);
  }
}

// Every 4099th float below `limit` in magnitude: a million of them.
template <class Fn>
void ForFloats(float limit, const Fn& fn) {
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 4099) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::fabs(x) < limit) fn(x);
  }
}

struct Error {
  double absolute, ulps;
};

Error ErrorOf(Unary f, float x, double truth) {
  float y;
  Reference().unary(f, &x, &y, 1);
  const double ulp = std::ldexp(
      1.0, std::max(std::ilogb(static_cast<float>(truth)), -126) - 23);
  const double absolute = std::fabs(static_cast<double>(y) - truth);
  return {absolute, truth == 0 && y == 0 ? 0 : absolute / ulp};
}

double WorstUlps(Unary f, double (*exact)(double), float limit) {
  double worst = 0;
  ForFloats(limit, [&](float x) {
    worst = std::max(worst, ErrorOf(f, x, exact(static_cast<double>(x))).ulps);
  });
  return worst;
}

TEST_CASE("exp, erf, tanh and sigmoid are accurate") {
  CHECK(WorstUlps(
            Unary::kExp, [](double x) { return std::exp(x); }, 88.0f) < 0.9);
  CHECK(WorstUlps(
            Unary::kErf, [](double x) { return std::erf(x); }, INFINITY) < 1.1);
  CHECK(WorstUlps(
            Unary::kTanh, [](double x) { return std::tanh(x); }, INFINITY) <
        1.4);
  CHECK(WorstUlps(
            Unary::kSigmoid, [](double x) { return 1 / (1 + std::exp(-x)); },
            88.0f) < 2.6);
}

// README: 3.8 ulp from -1/4 on; below, 1e-7 absolute or 4 ulp.
TEST_CASE("GELU is accurate") {
  double upper = 0, lower = 0;
  ForFloats(INFINITY, [&](float x) {
    const auto wide = static_cast<double>(x);
    const double truth = 0.5 * wide * std::erfc(-wide / std::sqrt(2.0));
    const Error error = ErrorOf(Unary::kGelu, x, truth);
    double& worst = x >= 0 ? upper : lower;
    worst = std::max(worst,
                     x >= 0 ? error.ulps / 4
                            : std::min(error.ulps / 4, error.absolute / 1e-7));
  });
  CHECK(upper < 0.95);
  CHECK(lower < 0.9);
}

}  // namespace
}  // namespace bittern::kernels
