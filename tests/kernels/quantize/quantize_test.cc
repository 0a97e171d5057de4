// The sign quantiser on every target against the plain loops: group sizes
// around words and vectors, thresholds hit exactly, extremes, scales that have
// no window, LayerNorm before the sign, row ranges, guard bytes.
#include "kernels/quantize/quantize.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/kernels/code_planes.h"
#include "tests/kernels/targets.h"

namespace bittern::kernels {
namespace {

using test::Guarded;
using test::Random;
using test::TestPlanes;

constexpr size_t kRows = 5;
// SSE4 and scalar compute the LayerNorm unfused, so a value at a threshold may
// fall on its other side: at most 1 in 500.
constexpr size_t kUnfusedOneIn = 500;

struct Case {
  size_t groups, group;
  bool affine, normed;
};

struct Inputs {
  Inputs(const Case& c, uint64_t seed) : x(kRows * Stride(c), 4) {
    Random random(seed);
    const size_t cols = c.groups * c.group;
    gamma = random.Normals(cols);
    beta = random.Normals(cols);
    for (size_t g = 0; g < c.groups; ++g) {
      a.push_back(random.Uniform(-1.5f, 1.5f));
      z.push_back(static_cast<float>(static_cast<int>(random.Below(6)) - 2));
    }
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < cols; ++i)
        Row(c, r)[i] = Value(random, i / c.group, c.normed);
    }
  }
  static size_t Stride(const Case& c) { return (c.groups * c.group + 3) * 4; }
  float* Row(const Case& c, size_t r) {
    return x.As<float>() + r * Stride(c) / 4;
  }
  SignArgs Args(const Case& c, const TestPlanes& codes) {
    return {x.As<float>(),
            static_cast<ptrdiff_t>(Stride(c)),
            c.affine ? a.data() : nullptr,
            c.affine ? z.data() : nullptr,
            c.normed ? gamma.data() : nullptr,
            c.normed ? beta.data() : nullptr,
            1e-5f,
            codes.planes()};
  }

  Guarded x;
  std::vector<float> gamma, beta, a, z;

 private:
  // A third of the values lie within two ulps of the threshold -z * a; some are
  // extremes where no LayerNorm spreads them.
  float Value(Random& random, size_t group, bool normed) const {
    static const float kExtremes[] = {0.0f,       -0.0f,     NAN,
                                      INFINITY,   -INFINITY, 0x1p-149f,
                                      -0x1p-149f, 3e38f,     -3e38f};
    if (!normed && random.Below(8) == 0)
      return kExtremes[random.Below(std::size(kExtremes))];
    float v = random.Below(3) == 0 ? -z[group] * a[group] : random.Normal();
    for (size_t step = random.Below(3); step != 0; --step)
      v = std::nextafter(v, random.Below(2) == 0 ? 9.0f : -9.0f);
    return v;
  }
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const size_t group : std::initializer_list<size_t>{
           1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 192, 197, 198, 768}) {
    for (const bool affine : {false, true}) {
      for (const bool normed : {false, true}) {
        cases.push_back({1, group, affine, normed});
        if (group <= 65) cases.push_back({3, group, affine, normed});
      }
    }
  }
  return cases;
}

const QuantizeKernel& Reference() {
  return *QuantizeKernels(DetectCpu()).front();
}

TEST_CASE("sign codes equal the reference") {
  for (const auto& target :
       test::KernelsOnTargets<QuantizeKernel>(&QuantizeKernels)) {
    for (const Case& c : Cases()) {
      CAPTURE(target.name, c.groups, c.group, c.affine, c.normed);
      Inputs in(c, c.group);
      TestPlanes expected(kRows, c.groups * c.group, c.group),
          got(kRows, c.groups * c.group, c.group);
      Reference().sign(in.Args(c, expected), 0, kRows);
      target.kernel->sign(in.Args(c, got), 0, kRows);
      REQUIRE(got.Intact());
      if (target.exact || !c.normed) {
        REQUIRE(test::SameRows(got.planes(), expected.planes(), 0, kRows));
      } else {
        REQUIRE(test::CountDifferent(got.planes(), expected.planes()) <=
                kRows * c.groups * c.group / kUnfusedOneIn + 1);
      }
    }
  }
}

TEST_CASE("scales without a window are divided") {
  const Case c{1, 65, true, false};
  for (const auto& target :
       test::KernelsOnTargets<QuantizeKernel>(&QuantizeKernels)) {
    for (const float a :
         {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 0x1p-140f, 0x1p125f}) {
      for (const float z : {0.0f, 1.0f, -2.0f, NAN, INFINITY}) {
        CAPTURE(target.name, a, z);
        Inputs in(c, 9);
        in.a[0] = a;
        in.z[0] = z;
        TestPlanes expected(kRows, 65, 65), got(kRows, 65, 65);
        Reference().sign(in.Args(c, expected), 0, kRows);
        target.kernel->sign(in.Args(c, got), 0, kRows);
        REQUIRE(test::SameRows(got.planes(), expected.planes(), 0, kRows));
      }
    }
  }
}

TEST_CASE("only the rows asked for are written") {
  const Case c{2, 33, true, true};
  for (const auto& target :
       test::KernelsOnTargets<QuantizeKernel>(&QuantizeKernels)) {
    CAPTURE(target.name);
    Inputs in(c, 11);
    TestPlanes whole(kRows, 66, 33), part(kRows, 66, 33),
        untouched(kRows, 66, 33);
    target.kernel->sign(in.Args(c, whole), 0, kRows);
    target.kernel->sign(in.Args(c, part), 2, 2);
    CHECK(test::SameRows(part.planes(), whole.planes(), 2, 2));
    CHECK(test::SameRows(part.planes(), untouched.planes(), 0, 2));
    CHECK(test::SameRows(part.planes(), untouched.planes(), 4, 1));
  }
}

TEST_CASE("dequantised levels equal the reference") {
  for (const auto& target :
       test::KernelsOnTargets<QuantizeKernel>(&QuantizeKernels)) {
    for (const Case& c : Cases()) {
      CAPTURE(target.name, c.groups, c.group, c.affine);
      const size_t cols = c.groups * c.group;
      Inputs in(c, c.group);
      in.a[0] = c.group == 17 ? NAN : in.a[0];
      Random random(3);
      TestPlanes codes(kRows, cols, c.group);
      codes.Randomise(random, 30);
      Guarded expected(kRows * cols * 4), got(kRows * cols * 4, 4);
      const SignArgs args = in.Args(c, codes);
      const auto stride = static_cast<ptrdiff_t>(cols * 4);
      Reference().dequantize(codes.planes(), args.a, args.z,
                             expected.As<float>(), stride, 0, kRows);
      target.kernel->dequantize(codes.planes(), args.a, args.z, got.As<float>(),
                                stride, 0, kRows);
      REQUIRE(std::memcmp(got.As<void>(), expected.As<void>(),
                          kRows * cols * 4) == 0);
      REQUIRE(got.Intact());
    }
  }
}

TEST_CASE("the definition of a code") {
  const float x[] = {-2.0f, -1.0f, 0.0f, 1.0f, NAN};
  const float a = 1.0f, z = 1.0f;  // threshold at -1
  TestPlanes codes(1, 5, 5);
  Reference().sign({x, sizeof(x), &a, &z, nullptr, nullptr, 0, codes.planes()},
                   0, 1);
  CHECK(codes.planes().sign[0] == 0b01100);
  CHECK(codes.planes().valid[0] == 0b01101);
  CHECK(codes.planes().valid_count[0] == 3);
}

}  // namespace
}  // namespace bittern::kernels
