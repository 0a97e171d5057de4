// Pooling on every target against the plain loops: kernels, strides and padding
// of every parity, widths around each vector width, extremes, plane and row
// ranges, guard bytes.
#include "kernels/pool/pool.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/kernels/targets.h"
#include "tests/support/guarded.h"
#include "tests/support/random.h"

namespace bittern::kernels {
namespace {

using test::Guarded;
using test::Random;

PoolAxis Axis(size_t in, size_t kernel, size_t stride, size_t before,
              size_t after) {
  return {in,     (in + before + after - kernel) / stride + 1,
          kernel, stride,
          before, after};
}

// Axes of `in` columns whose windows all touch the input.
std::vector<PoolAxis> Axes(size_t in) {
  std::vector<PoolAxis> axes;
  for (const size_t kernel : {size_t{1}, size_t{2}, size_t{3}, size_t{7}}) {
    for (const size_t stride : {size_t{1}, size_t{2}, size_t{3}}) {
      for (size_t before = 0; before < std::min<size_t>(kernel, 3); ++before) {
        const size_t after = (before + in) % std::min<size_t>(kernel, 3);
        if (in + before + after >= kernel)
          axes.push_back(Axis(in, kernel, stride, before, after));
      }
    }
  }
  return axes;
}

const PoolKernel& Reference() { return *PoolKernels(DetectCpu()).front(); }

constexpr size_t kPlanes = 3;
constexpr size_t kWidths[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 64, 65, 129};

struct Planes {
  Planes(const PoolAxis& h, const PoolAxis& w)
      : x(kPlanes * h.in * w.in * 4, 4),
        y(kPlanes * h.out * w.out * 4, 4),
        scratch(PoolScratch(h, w) * 4),
        expected(kPlanes * h.out * w.out) {
    const float extremes[] = {-0.0f, 0.0f, NAN, INFINITY, -INFINITY, -3e38f};
    Random random(h.in * w.in);
    for (size_t i = 0; i < kPlanes * h.in * w.in; ++i) {
      x.As<float>()[i] =
          random.Below(40) == 0 ? extremes[random.Below(6)] : random.Normal();
    }
    args = {x.As<float>(),      y.As<float>(), h, w, (h.out + w.out) % 2 == 0,
            scratch.As<float>()};
  }
  // Both functions, the reference's results first.
  bool Same(const PoolKernel& kernel, bool max) {
    PlanePoolArgs reference = args;
    reference.y = expected.data();
    const auto run = [max](const PoolKernel& k, const PlanePoolArgs& a,
                           size_t plane, size_t planes) {
      max ? k.max_planes(a, plane, planes) : k.average_planes(a, plane, planes);
    };
    run(Reference(), reference, 0, kPlanes);
    run(kernel, args, 0, 1);
    run(kernel, args, 1, kPlanes - 1);
    return y.Intact() && scratch.Intact() &&
           std::memcmp(y.As<void>(), expected.data(), expected.size() * 4) == 0;
  }

  Guarded x, y, scratch;
  std::vector<float> expected;
  PlanePoolArgs args;
};

TEST_CASE("pooled planes equal the reference") {
  for (const auto& target : test::KernelsOnTargets<PoolKernel>(&PoolKernels)) {
    for (const size_t in : kWidths) {
      for (const PoolAxis& w : Axes(in)) {
        const PoolAxis h = Axis(5, std::min<size_t>(w.kernel, 4), w.stride,
                                w.pad_before != 0, w.pad_after != 0);
        CAPTURE(target.name, in, w.kernel, w.stride, w.pad_before, w.pad_after);
        Planes planes(h, w);
        REQUIRE(planes.Same(*target.kernel, true));
        REQUIRE(planes.Same(*target.kernel, false));
      }
    }
  }
}

TEST_CASE("pooled pixels equal the reference") {
  constexpr size_t kImages = 2;
  for (const auto& target : test::KernelsOnTargets<PoolKernel>(&PoolKernels)) {
    for (const size_t channels : kWidths) {
      for (const PoolAxis& w : Axes(6)) {
        const PoolAxis h = Axis(4, std::min<size_t>(w.kernel, 3), w.stride,
                                w.pad_before != 0, w.pad_after != 0);
        CAPTURE(target.name, channels, w.kernel, w.stride, w.pad_before);
        const float extremes[] = {-0.0f,    0.0f,      NAN,
                                  INFINITY, -INFINITY, -3e38f};
        Random random(channels);
        Guarded x(kImages * h.in * w.in * channels * 4, 4);
        for (size_t i = 0; i < kImages * h.in * w.in * channels; ++i) {
          x.As<float>()[i] = random.Below(40) == 0 ? extremes[random.Below(6)]
                                                   : random.Normal();
        }
        const size_t rows = kImages * h.out * w.out;
        Guarded expected(rows * channels * 4, 4), got(rows * channels * 4, 4);
        const bool count_padding = (h.out + w.out) % 2 == 0;
        PixelPoolArgs args{
            x.As<float>(), expected.As<float>(), h, w, count_padding, channels};
        for (const bool max : {true, false}) {
          const auto run = [max](const PoolKernel& k, const PixelPoolArgs& a,
                                 size_t pixel, size_t pixels) {
            max ? k.max_pixels(a, pixel, pixels)
                : k.average_pixels(a, pixel, pixels);
          };
          args.y = expected.As<float>();
          run(Reference(), args, 0, rows);
          args.y = got.As<float>();
          run(*target.kernel, args, 0, 1);
          run(*target.kernel, args, 1, rows - 1);
          REQUIRE(got.Intact());
          REQUIRE(std::memcmp(got.As<void>(), expected.As<void>(),
                              rows * channels * 4) == 0);
        }
      }
    }
  }
}

TEST_CASE("pooled bytes equal the reference") {
  constexpr size_t kImages = 2;
  for (const auto& target : test::KernelsOnTargets<PoolKernel>(&PoolKernels)) {
    for (const size_t channels : kWidths) {
      for (const bool is_signed : {false, true}) {
        for (const PoolAxis& w : Axes(6)) {
          const PoolAxis h = Axis(4, std::min<size_t>(w.kernel, 3), w.stride,
                                  w.pad_before != 0, w.pad_after != 0);
          CAPTURE(target.name, channels, is_signed, w.kernel, w.stride);
          const size_t stride = channels + 3;
          Guarded x(kImages * h.in * w.in * stride, 1);
          const size_t rows = kImages * h.out * w.out;
          Guarded expected(rows * stride, 1), got(rows * stride, 1);
          expected.Fill(0xC3);
          got.Fill(0xC3);
          Random random(channels);
          for (size_t i = 0; i < x.bytes(); ++i)
            x.As<uint8_t>()[i] = static_cast<uint8_t>(random.Next());
          const auto bytes = static_cast<ptrdiff_t>(stride);
          BytePoolArgs args{
              {x.As<uint8_t>(), bytes, kImages * h.in * w.in, channels},
              {expected.As<uint8_t>(), bytes, rows, channels},
              h,
              w,
              is_signed};
          Reference().max_bytes(args, 0, rows);
          args.y.data = got.As<uint8_t>();
          target.kernel->max_bytes(args, 0, 1);
          target.kernel->max_bytes(args, 1, rows - 1);
          REQUIRE(got.Intact());
          REQUIRE(std::memcmp(got.As<void>(), expected.As<void>(),
                              rows * stride) == 0);
        }
      }
    }
  }
}

TEST_CASE("the definition of a pooled value") {
  const float x[] = {1, -2, 3, NAN, -0.0f, 0.0f};
  float y[3];
  PlanePoolArgs args{x,     y,      {1, 1, 1, 1, 0, 0}, Axis(6, 2, 2, 0, 0),
                     false, nullptr};
  Reference().max_planes(args, 0, 1);
  CHECK(y[0] == 1);
  CHECK(test::SameBits(y[1], std::numeric_limits<float>::quiet_NaN()));
  CHECK(test::SameBits(y[2], -0.0f));
  args.w = Axis(6, 4, 4, 2, 2);
  args.count_padding = true;
  Reference().average_planes(args, 0, 1);
  CHECK(y[0] == -0.25f);
  args.count_padding = false;
  Reference().average_planes(args, 0, 1);
  CHECK(y[0] == -0.5f);
}

}  // namespace
}  // namespace bittern::kernels
