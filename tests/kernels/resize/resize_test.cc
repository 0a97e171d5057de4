// Resize on every target against the plain loops, over enlarging and shrinking
// by every coordinate mode, widths around each vector width, NaNs, plane ranges
// and guard bytes; and the tables against ONNX's examples.
#include "kernels/resize/resize.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/kernels/targets.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::kernels {
namespace {

using test::Guarded;
using test::Random;
using Mode = ResizeCoordinates;
using Rounding = ResizeRounding;

constexpr Mode kModes[] = {Mode::kHalfPixel, Mode::kPytorchHalfPixel,
                           Mode::kAlignCorners, Mode::kAsymmetric};
constexpr Rounding kRoundings[] = {Rounding::kPreferFloor,
                                   Rounding::kPreferCeil, Rounding::kFloor,
                                   Rounding::kCeil};
constexpr size_t kPlanes = 3;
// SSE4 and scalar interpolate unfused.
constexpr float kUnfusedTolerance = 1e-5f;

ResizeAxis Axis(size_t in, size_t out, Mode mode) {
  return {in, out, static_cast<float>(out) / static_cast<float>(in), mode};
}

const ResizeKernel& Reference() { return *ResizeKernels(DetectCpu()).front(); }

struct Linear {
  explicit Linear(const ResizeAxis& axis)
      : lo(ResizeEntries(axis.out)), hi(lo.size()), weight(lo.size()) {
    MakeLinearTable(axis, lo.data(), hi.data(), weight.data());
  }
  LinearTable View() const { return {lo.data(), hi.data(), weight.data()}; }

  std::vector<int32_t> lo, hi;
  std::vector<float> weight;
};

std::vector<int32_t> Nearest(const ResizeAxis& axis, Rounding rounding) {
  std::vector<int32_t> index(ResizeEntries(axis.out));
  MakeNearestTable(axis, rounding, index.data());
  return index;
}

struct Planes {
  Planes(const ResizeAxis& h, const ResizeAxis& w)
      : x(kPlanes * h.in * w.in * 4, 4),
        y(kPlanes * h.out * w.out * 4, 4),
        expected(kPlanes * h.out * w.out),
        args{x.As<float>(), y.As<float>(), h.in, w.in, h.out, w.out} {
    Random random(w.in);
    for (size_t i = 0; i < x.bytes() / 4; ++i)
      x.As<float>()[i] = i == 2 ? -NAN : random.Normal();
  }
  ResizePlanes Expected() {
    ResizePlanes copy = args;
    copy.y = expected.data();
    return copy;
  }
  bool Same(bool exact) {
    bool same = y.Intact();
    for (size_t i = 0; i < expected.size(); ++i) {
      const float got = y.As<float>()[i];
      same &= test::SameBits(got, expected[i]) ||
              (!exact && std::fabs(got - expected[i]) < kUnfusedTolerance);
    }
    return same;
  }

  Guarded x, y;
  std::vector<float> expected;
  ResizePlanes args;
};

// Calls check(target, h, w) over sizes and modes.
template <class Check>
void ForEachCase(const Check& check) {
  constexpr size_t kSizes[] = {1, 2, 7, 15, 16, 17, 32, 33, 65};
  for (const auto& target :
       test::KernelsOnTargets<ResizeKernel>(&ResizeKernels)) {
    for (const size_t in : kSizes) {
      for (const size_t out : kSizes) {
        for (const Mode mode : kModes) {
          CAPTURE(target.name, in, out, static_cast<int>(mode));
          check(target, Axis(out % 5 + 1, in % 7 + 1, mode),
                Axis(in, out, mode));
        }
      }
    }
  }
}

TEST_CASE("nearest equals the reference") {
  ForEachCase([](const auto& target, const ResizeAxis& h, const ResizeAxis& w) {
    for (const Rounding rounding : kRoundings) {
      Planes planes(h, w);
      const std::vector<int32_t> rows = Nearest(h, rounding),
                                 cols = Nearest(w, rounding);
      Reference().nearest({planes.Expected(), rows.data(), cols.data()}, 0,
                          kPlanes);
      const NearestArgs args{planes.args, rows.data(), cols.data()};
      target.kernel->nearest(args, 0, 1);
      target.kernel->nearest(args, 1, kPlanes - 1);
      REQUIRE(planes.Same(true));
    }
  });
}

TEST_CASE("linear equals the reference") {
  ForEachCase([](const auto& target, const ResizeAxis& h, const ResizeAxis& w) {
    Planes planes(h, w);
    const Linear rows(h), cols(w);
    Guarded scratch(2 * ResizeEntries(w.out) * 4);
    LinearArgs args{planes.Expected(), rows.View(), cols.View(),
                    scratch.As<float>()};
    Reference().linear(args, 0, kPlanes);
    args.planes = planes.args;
    target.kernel->linear(args, 0, 1);
    target.kernel->linear(args, 1, kPlanes - 1);
    REQUIRE(scratch.Intact());
    REQUIRE(planes.Same(target.exact));
  });
}

TEST_CASE("tables are ONNX's") {
  using Indices = std::vector<int32_t>;
  const auto first = [](Indices table, size_t count) {
    table.resize(count);
    return table;
  };
  const ResizeAxis up = Axis(2, 4, Mode::kHalfPixel);
  CHECK(first(Nearest(up, Rounding::kPreferFloor), 4) == Indices{0, 0, 1, 1});
  const ResizeAxis plain = Axis(4, 8, Mode::kAsymmetric);
  CHECK(first(Nearest(plain, Rounding::kFloor), 8) ==
        Indices{0, 0, 1, 1, 2, 2, 3, 3});
  CHECK(first(Nearest(plain, Rounding::kPreferFloor), 8) ==
        Indices{0, 0, 1, 1, 2, 2, 3, 3});
  CHECK(first(Nearest(plain, Rounding::kPreferCeil), 8) ==
        Indices{0, 1, 1, 2, 2, 3, 3, 3});
  CHECK(first(Nearest(plain, Rounding::kCeil), 8) ==
        Indices{0, 1, 1, 2, 2, 3, 3, 3});
  CHECK(first(Nearest(Axis(4, 1, Mode::kPytorchHalfPixel), Rounding::kFloor),
              1) == Indices{0});
  CHECK(first(Nearest(Axis(4, 1, Mode::kHalfPixel), Rounding::kFloor), 1) ==
        Indices{1});
  // Linear, 2 -> 4: half pixels clamp at the ends, corners lie on them.
  const Linear half(up), corners(Axis(2, 4, Mode::kAlignCorners));
  CHECK(half.weight[0] == 0);
  CHECK(half.weight[1] == 0.25f);
  CHECK(half.weight[2] == 0.75f);
  CHECK(first(half.lo, 4) == Indices{0, 0, 0, 1});
  CHECK(first(half.hi, 4) == Indices{1, 1, 1, 1});
  CHECK(corners.weight[1] == 1.0f / 3);
  CHECK(first(corners.lo, 4) == Indices{0, 0, 0, 1});
  CHECK(corners.weight[3] == 0);
}

}  // namespace
}  // namespace bittern::kernels
