// Softmax on every target against the plain loops: lengths around each vector
// width, extremes, guard bytes.
#include "kernels/softmax/softmax.h"

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

constexpr float kUnfusedTolerance =
    4e-6f;  // SSE4 and scalar: exp's polynomial rounds twice a step
constexpr size_t kLengths[] = {1,  2,  15, 16,  17,  31,  32, 33,
                               63, 64, 65, 192, 197, 198, 768};
constexpr size_t kRows = 11;  // some at a time, and a rest

size_t CountWrong(const test::TargetKernel<SoftmaxKernel>& target,
                  const std::vector<float>& x, size_t cols) {
  std::vector<float> expected(x.size());
  SoftmaxKernels(DetectCpu())
      .front()
      ->softmax(x.data(), expected.data(), x.size() / cols, cols);
  Guarded y(x.size() * 4, 4);
  std::memcpy(y.As<float>(), x.data(), x.size() * 4);
  target.kernel->softmax(y.As<float>(), y.As<float>(), x.size() / cols,
                         cols);  // in place
  size_t wrong = !y.Intact();
  for (size_t i = 0; i < x.size(); ++i) {
    const float got = y.As<float>()[i];
    wrong +=
        !SameBits(got, expected[i]) &&
        (target.exact || !(std::fabs(got - expected[i]) <= kUnfusedTolerance));
  }
  return wrong;
}

TEST_CASE("softmax equals the reference") {
  for (const auto& target :
       test::KernelsOnTargets<SoftmaxKernel>(&SoftmaxKernels)) {
    for (const size_t cols : kLengths) {
      for (const float scale :
           {1.0f, 40.0f}) {  // 40: many results denormal or zero
        CAPTURE(target.name, cols, scale);
        std::vector<float> x = Random(cols).Normals(kRows * cols);
        for (float& v : x) v *= scale;
        REQUIRE(CountWrong(target, x, cols) == 0);
      }
    }
  }
}

TEST_CASE("softmax of extreme rows equals the reference") {
  for (const auto& target :
       test::KernelsOnTargets<SoftmaxKernel>(&SoftmaxKernels)) {
    if (!target.exact) continue;
    for (const size_t cols : {size_t{1}, size_t{17}, size_t{64}}) {
      for (const float extreme :
           {NAN, -NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0x1p-149f, -0.0f}) {
        CAPTURE(target.name, cols, extreme);
        std::vector<float> x = Random(cols).Normals(kRows * cols);
        x[cols + cols / 2] = extreme;
        for (size_t i = 0; i < cols; ++i) x[2 * cols + i] = extreme;
        REQUIRE(CountWrong(target, x, cols) == 0);
      }
    }
  }
}

TEST_CASE("rows around the end of exp's normal results equal the reference") {
  for (const auto& target :
       test::KernelsOnTargets<SoftmaxKernel>(&SoftmaxKernels)) {
    for (const float lowest :
         {-86.9f, -87.0f, -87.1f, -87.4f, -88.0f, -104.0f, -1e9f, -INFINITY}) {
      CAPTURE(target.name, lowest);
      std::vector<float> x = Random(7).Normals(kRows * 65);
      for (float& v : x) v = v > 0 ? 0 : v;
      for (size_t r = 0; r < kRows; r += 2) {
        x[r * 65] = 0;
        x[r * 65 + 7 * r % 65] = lowest;
      }
      REQUIRE(CountWrong(target, x, 65) == 0);
    }
  }
}

TEST_CASE("a row sums to one, and a NaN or infinity spoils only its row") {
  std::vector<float> x = Random(5).Normals(3 * 50);
  x[60] = INFINITY;
  std::vector<float> y(x.size());
  SelectSoftmax(DetectCpu())->softmax(x.data(), y.data(), 3, 50);
  for (const size_t row : {size_t{0}, size_t{2}}) {
    double sum = 0;
    for (size_t i = 0; i < 50; ++i) sum += y[row * 50 + i];
    CHECK(std::fabs(sum - 1) < 1e-6);
  }
  for (size_t i = 50; i < 100; ++i)
    CHECK(std::bit_cast<uint32_t>(y[i]) == 0x7fc00000u);
}

}  // namespace
}  // namespace bittern::kernels
