// LayerNorm, GroupNorm and row sums on every target against the plain loops:
// lengths around each vector width, extremes, guard bytes.
#include "kernels/norm/norm.h"

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

// SSE4 and scalar round twice per square and per output; the variance sums up
// to 768 of them.
constexpr float kUnfusedTolerance = 2e-5f;
constexpr size_t kLengths[] = {1,  2,  15, 16,  17,  31,  32, 33,
                               63, 64, 65, 192, 197, 198, 768};
constexpr size_t kRows = 39;  // 32 at once, four at once, and three alone

bool Agree(float got, float expected, bool exact) {
  if (SameBits(got, expected)) return true;
  return !exact && std::fabs(got - expected) <=
                       kUnfusedTolerance * (1 + std::fabs(expected));
}

// Rows [kRows][cols] between guards, one float off the alignment.
Guarded Rows(size_t cols, float scale, float offset, uint64_t seed) {
  Random random(seed);
  Guarded x(kRows * cols * 4, 4);
  for (size_t i = 0; i < kRows * cols; ++i)
    x.As<float>()[i] = random.Normal() * scale + offset;
  return x;
}

void CheckNorm(const test::TargetKernel<NormKernel>& target, size_t cols,
               const float* x) {
  Random random(cols);
  const std::vector<float> gamma = random.Normals(cols),
                           beta = random.Normals(cols);
  std::vector<float> expected(kRows * cols);
  const NormKernel& reference = *NormKernels(DetectCpu()).front();
  NormArgs args{x, gamma.data(), beta.data(), 1e-6f, expected.data(), cols};
  reference.layer_norm(args, 0, kRows);
  Guarded y(kRows * cols * 4, 4);
  std::memcpy(y.As<float>(), x, kRows * cols * 4);
  args.x = args.y = y.As<float>();  // in place
  target.kernel->layer_norm(args, 0, kRows);
  size_t wrong = 0;
  for (size_t i = 0; i < expected.size(); ++i)
    wrong += !Agree(y.As<float>()[i], expected[i], target.exact);
  CHECK(wrong == 0);
  CHECK(y.Intact());
  CHECK(Agree(target.kernel->row_sum(x, cols), reference.row_sum(x, cols),
              true));  // additions only: exact everywhere
}

TEST_CASE("LayerNorm equals the reference") {
  for (const auto& target : test::KernelsOnTargets<NormKernel>(&NormKernels)) {
    for (const size_t cols : kLengths) {
      CAPTURE(target.name, cols);
      Guarded x = Rows(cols, 3.0f, 0.5f, cols);
      CheckNorm(target, cols, x.As<float>());
    }
  }
}

TEST_CASE("LayerNorm of extreme rows equals the reference") {
  for (const auto& target : test::KernelsOnTargets<NormKernel>(&NormKernels)) {
    if (!target.exact) continue;
    for (const size_t cols : {size_t{17}, size_t{64}}) {
      for (const float extreme :
           {NAN, INFINITY, -INFINITY, 3e38f, 0x1p-149f, -0.0f}) {
        CAPTURE(target.name, cols, extreme);
        Guarded x = Rows(cols, 1.0f, 0.0f, cols);
        x.As<float>()[cols + 3] = extreme;
        for (size_t i = 0; i < cols; ++i) x.As<float>()[2 * cols + i] = extreme;
        CheckNorm(target, cols, x.As<float>());
      }
    }
  }
}

TEST_CASE("the row sum is the virtual-lane sum of the README") {
  std::vector<float> x(33, 0.0f);
  x[0] = 0x1p24f;
  x[16] = 1.0f;  // lane 0 again: lost
  x[32] = 1.0f;  // lost
  x[1] = 1.0f;
  x[2] = 1.0f;  // lanes 1 and 2 meet lane 0 in the tree: lane 0 + lane 2 loses
                // it, then + lane 1 loses it
  for (const auto& target : test::KernelsOnTargets<NormKernel>(&NormKernels)) {
    CAPTURE(target.name);
    CHECK(target.kernel->row_sum(x.data(), x.size()) == 0x1p24f);
    CHECK(target.kernel->row_sum(x.data() + 1, x.size() - 1) == 4.0f);
  }
}

TEST_CASE("LayerNorm takes known sums, and only the rows asked for") {
  const size_t cols = 197;
  Guarded x = Rows(cols, 2.0f, 1.0f, 9);
  const std::vector<float> gamma(cols, 1.5f), beta(cols, 0.25f);
  std::vector<float> lanes(kRows * 16, 0.0f), expected(kRows * cols);
  for (size_t i = 0; i < kRows * cols; ++i)
    lanes[i / cols * 16 + i % cols % 16] += x.As<float>()[i];
  NormArgs args{x.As<float>(), gamma.data(),    beta.data(),
                1e-6f,         expected.data(), cols};
  for (const auto& target : test::KernelsOnTargets<NormKernel>(&NormKernels)) {
    CAPTURE(target.name);
    args.lane_sums = nullptr;
    args.y = expected.data();
    target.kernel->layer_norm(args, 0, kRows);
    std::vector<float> got(kRows * cols, 7.0f);
    args.lane_sums = lanes.data();
    args.y = got.data();
    target.kernel->layer_norm(args, 1, kRows - 2);
    const size_t first = cols, count = (kRows - 2) * cols;
    CHECK(std::memcmp(&got[first], &expected[first], count * 4) == 0);
    CHECK(got[0] == 7.0f);
    CHECK(got[first + count] == 7.0f);
    lanes[16] += 1;  // row 1 now has another mean
    target.kernel->layer_norm(args, 1, 1);
    CHECK(got[first] != expected[first]);
    lanes[16] -= 1;
  }
}

TEST_CASE("GroupNorm equals the reference") {
  constexpr size_t kImages = 2, kGroups = 3;
  for (const auto& target : test::KernelsOnTargets<NormKernel>(&NormKernels)) {
    for (const size_t channels : {size_t{1}, size_t{3}}) {
      for (const size_t plane : kLengths) {
        CAPTURE(target.name, channels, plane);
        const size_t count = kImages * kGroups * channels * plane;
        Random random(plane);
        const std::vector<float> gamma = random.Normals(kGroups * channels),
                                 beta = random.Normals(kGroups * channels);
        Guarded x(count * 4, 4), y(count * 4, 4);
        for (size_t i = 0; i < count; ++i)
          x.As<float>()[i] = random.Normal() * 2 + 1;
        if (plane == 65) x.As<float>()[1] = NAN;
        std::vector<float> expected(count);
        GroupNormArgs args{x.As<float>(),   gamma.data(), beta.data(), 1e-5f,
                           expected.data(), kGroups,      channels,    plane};
        NormKernels(DetectCpu())
            .front()
            ->group_norm(args, 0, kImages * kGroups);
        args.y = y.As<float>();
        target.kernel->group_norm(args, 0, 2);
        target.kernel->group_norm(args, 2, kImages * kGroups - 2);
        size_t wrong = !y.Intact();
        for (size_t i = 0; i < count; ++i)
          wrong += !Agree(y.As<float>()[i], expected[i], target.exact);
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("LayerNorm normalises") {
  const size_t cols = 192;
  Guarded x = Rows(cols, 5.0f, 2.0f, 3);
  const std::vector<float> one(cols, 1.0f), zero(cols, 0.0f);
  std::vector<float> y(kRows * cols);
  const NormArgs args{x.As<float>(), one.data(), zero.data(),
                      1e-6f,         y.data(),   cols};
  SelectNorm(DetectCpu())->layer_norm(args, 0, kRows);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < cols; ++i) {
    sum += y[i];
    squares += double{y[i]} * y[i];
  }
  CHECK(std::fabs(sum / cols) < 1e-6);
  CHECK(std::fabs(squares / cols - 1) < 1e-4);
}

}  // namespace
}  // namespace bittern::kernels
