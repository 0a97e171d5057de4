// Convolution through every GEMM kernel of this CPU against plain loops: kernel
// sizes, strides, dilations, paddings, groups and channel counts around each
// word, guard bytes around what is written and scratch filled with garbage.
#include "kernels/conv/conv.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <set>
#include <string>

#include "kernels/base/bits.h"
#include "tests/kernels/code_planes.h"
#include "tests/kernels/conv/conv_case.h"

namespace bittern::kernels {
namespace {

using test::AxisSpec;
using test::ConvCase;
using test::Guarded;
using test::MakeAxis;
using test::OwnOf;

constexpr GemmTypes kBits{Operand::kBipolar, Operand::kSign};
constexpr GemmTypes kFloats{Operand::kF32, Operand::kF32};
constexpr GemmTypes kBytes{Operand::kS8, Operand::kU8};
constexpr GemmTypes kSigned{Operand::kTernary, Operand::kS8};

#if defined(__x86_64__)
}  // namespace
std::span<const DirectKernel>
DirectW1A1Avx512VpopcntdqSimde();  // conv_simde.cc, scaled_simde.cc
std::span<const ScaledKernel> ScaledAvx512VnniSimde();
namespace {
#endif

// Each distinct kernel for these operands, with the weakest target that has it,
// and the AVX-512 kernels over SIMDe.
std::vector<ConvKernel> KernelsFor(const ConvQuery& query) {
  std::vector<ConvKernel> all;
  for (std::string_view target : TargetNames()) {
    CpuFeatures cpu;
    if (!CapCpu(DetectCpu(), target, &cpu)) continue;
    for (const ConvKernel& kernel : ConvKernels(query, cpu)) {
      if (std::find(all.begin(), all.end(), kernel) == all.end())
        all.push_back(kernel);
    }
  }
#if defined(__x86_64__)
  if (query.types == kBits && query.geometry.groups == 1) {
    for (const DirectKernel& kernel : DirectW1A1Avx512VpopcntdqSimde())
      all.push_back({nullptr, &kernel});
  }
  if (query.scaled) {
    for (const ScaledKernel& kernel : ScaledAvx512VnniSimde())
      all.push_back({nullptr, nullptr, nullptr, nullptr, &kernel});
  }
#endif
  return all;
}

ConvGeometry Geometry(const AxisSpec& h, const AxisSpec& w, size_t ic,
                      size_t oc, size_t groups = 1) {
  return {MakeAxis(h), MakeAxis(w), ic, oc, groups};
}

// Highway 1.0.3 has no fused multiply-add there: a chain of k rounded products.
bool IsUnfused(const ConvKernel& kernel) {
  const std::string_view name = kernel.name();
  return (name.find("f32/") != name.npos || kernel.scaled != nullptr) &&
         (name.ends_with("/sse4") || name.ends_with("/scalar"));
}
constexpr double kUnfusedTolerance = 1e-6;  // times k, of weights near 1

// Product of a weight and an activation.
double Largest(const ConvCase& c) {
  if (c.types().weights == Operand::kF32) return 1;
  const double weight = RangeOf(c.types().weights).MaxAbs();
  // A code less the pad.
  return c.scaled() ? 2 * weight * RangeOf(c.types().activations).MaxAbs()
                    : weight;
}

struct Filters {
  ConvPlan plan;
  Guarded packed;
  Guarded unpacked;
  Guarded scratch;

  const void* Ready() {
    return plan.unpacked_bytes != 0 ? unpacked.As<void>() : packed.As<void>();
  }
  bool Intact() const {
    return packed.Intact() && unpacked.Intact() && scratch.Intact();
  }
};

Filters Prepare(const ConvCase& c, const ConvKernel& kernel, EpilogueKind kind,
                size_t unit) {
  const ConvPlan plan =
      PlanConv({c.geometry(), c.types(), c.layout(), unit, c.scaled()}, kernel,
               *SelectEpilogue(kind, DetectCpu()));
  Filters f{plan, Guarded(plan.filter_bytes), Guarded(plan.unpacked_bytes),
            Guarded(plan.scratch_bytes)};
  PackFilters(f.plan, c.canonical(), f.packed.As<void>());
  if (plan.unpacked_bytes != 0) {  // in any order
    const size_t half = FilterTiles(plan) / 2;
    UnpackFilters(plan, f.packed.As<void>(), half, FilterTiles(plan),
                  f.unpacked.As<void>());
    UnpackFilters(plan, f.packed.As<void>(), 0, half, f.unpacked.As<void>());
  }
  f.scratch.Fill(0x5A);
  return f;
}

// Runs output pixels [begin, end) and compares; returns what went wrong, or "".
std::string Check(const ConvCase& c, const ConvKernel& kernel, size_t begin,
                  size_t end) {
  const ConvGeometry& g = c.geometry();
  const bool floats = c.types().activations == Operand::kF32 || c.scaled();
  Filters f = Prepare(
      c, kernel, floats ? EpilogueKind::kFloatF32 : EpilogueKind::kStoreI32, 1);
  constexpr size_t kFirst = 2;  // rows before the image
  Guarded out((kFirst + g.Pixels()) * g.oc * 4);
  out.Fill(0xC3);
  ConvRun run{c.image(), f.Ready(), {}, kFirst};
  run.epilogue.out_f32 = out.As<float>();
  run.epilogue.out_i32 = out.As<int32_t>();
  run.epilogue.out_stride = static_cast<ptrdiff_t>(g.oc * 4);
  run.channel_scale = c.channel_scale();
  ConvRows(f.plan, run, begin, end, f.scratch.As<void>());
  for (size_t p = 0; p < kFirst + g.Pixels(); ++p) {
    for (size_t n = 0; n < g.oc; ++n) {
      const int32_t bits = out.As<int32_t>()[p * g.oc + n];
      const bool written = p >= kFirst + begin && p < kFirst + end;
      if (!written) {
        if (bits != static_cast<int32_t>(0xC3C3C3C3))
          return "wrote a pixel that was not asked for";
        continue;
      }
      const double expected = c.Expected(p - kFirst, n);
      const double got =
          floats ? static_cast<double>(out.As<float>()[p * g.oc + n]) : bits;
      const double tolerance =
          IsUnfused(kernel)
              ? kUnfusedTolerance * static_cast<double>(g.K()) * Largest(c)
              : 0;
      if (std::abs(got - expected) <= tolerance) continue;
      return "pixel " + std::to_string(p - kFirst) + " channel " +
             std::to_string(n) + ": got " + std::to_string(got) +
             ", expected " + std::to_string(expected);
    }
  }
  return out.Intact() && f.Intact() && c.Intact() ? ""
                                                  : "wrote outside a buffer";
}

void CheckAll(const ConvGeometry& g, GemmTypes types,
              PixelLayout layout = PixelLayout::kNhwc, size_t zero_percent = 25,
              OwnOf own = OwnOf::kNothing) {
  const ConvCase c(g, types, layout, zero_percent, g.K() + g.Pixels(), own);
  const auto kernels = KernelsFor({g, types, layout, 1, c.scaled()});
  REQUIRE_FALSE(kernels.empty());
  for (const ConvKernel& kernel : kernels) {
    INFO(kernel.name() << " " << c.Name());
    REQUIRE(Check(c, kernel, 0, g.Pixels()) == "");
    if (g.Pixels() > 2) REQUIRE(Check(c, kernel, 1, g.Pixels() - 1) == "");
  }
}

constexpr size_t kChannels[] = {1, 3, 8, 31, 32, 33, 63, 64, 65, 128};

TEST_CASE("1-bit convolution, every channel count") {
  for (size_t ic : kChannels) {
    for (size_t zeros : {size_t{0}, size_t{25}}) {
      CheckAll(Geometry({7, 3, 1, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, ic, 70), kBits,
               PixelLayout::kNhwc, zeros);
    }
    CheckAll(Geometry({5, 1}, {9, 1}, ic, 17), kBits);
  }
}

TEST_CASE("floats by codes of weights, unpacked in every call or once a run") {
  for (const Operand weights : {Operand::kS4, Operand::kS8, Operand::kTernary,
                                Operand::kBipolar, Operand::kU3}) {
    const GemmTypes types{weights, Operand::kF32};
    for (size_t ic : {size_t{1}, size_t{3}, size_t{16}, size_t{70}}) {
      CheckAll(Geometry({7, 3, 2, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, ic, 9), types);
      CheckAll(Geometry({5, 1}, {4, 1}, ic, 130), types);
    }
    CheckAll(Geometry({5, 3, 1, 1, 1, 1}, {4, 3, 1, 1, 1, 1}, 6, 8, 2), types);
  }
}

TEST_CASE("padding with a code for each channel") {
  for (const GemmTypes types : {kBytes, kSigned}) {
    for (size_t ic : {size_t{1}, size_t{3}, size_t{16}, size_t{70}}) {
      CheckAll(Geometry({7, 3, 2, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, ic, 9), types,
               PixelLayout::kNhwc, 25, OwnOf::kPad);
      CheckAll(Geometry({3, 3, 1, 2, 3, 4}, {5, 2, 1, 3, 2, 3}, ic, 9), types,
               PixelLayout::kNhwc, 25, OwnOf::kPad);
    }
  }
}

// What the shapes of windows can do, for any operands.
void CheckGeometries(GemmTypes types, PixelLayout layout, size_t ic, size_t oc,
                     size_t groups = 1, OwnOf own = OwnOf::kNothing) {
  const AxisSpec axes[] = {
      {6, 1},               // no padding at all
      {7, 1, 2},            // pixels left out
      {5, 1, 1, 1, 1, 2},   // 1x1 with padding
      {6, 3, 1, 1, 1, 1},   // same size
      {7, 3, 2, 1, 1, 1},   // halved
      {8, 3, 3, 1, 0, 1},   // one side only
      {9, 2, 2},            // even
      {6, 4, 1, 1, 1, 2},   // even and asymmetric
      {9, 5, 2, 1, 2, 2},   // 5
      {11, 7, 2, 1, 3, 3},  // 7
      {9, 3, 1, 2, 2, 2},   // dilated
      {10, 2, 3, 2, 1, 0},  // dilated and strided
      {3, 3, 1, 1, 4, 4},   // windows wholly in the padding
      {1, 3, 1, 1, 1, 1},   // one pixel
      {2, 3, 1, 3, 3, 3},   // taps step over the image
      {2, 2, 1, 1, 0, 3},   // padding after alone
  };
  for (size_t i = 0; i < std::size(axes); ++i) {
    CheckAll(Geometry(axes[i], axes[i], ic, oc, groups), types, layout, 25,
             own);
    const AxisSpec& other = axes[(i + 5) % std::size(axes)];
    CheckAll(Geometry(axes[i], other, ic, oc, groups), types, layout, 25, own);
  }
}

TEST_CASE("1-bit convolution, every window") {
  CheckGeometries(kBits, PixelLayout::kNhwc, 64, 16);
  CheckGeometries(kBits, PixelLayout::kNhwc, 40, 16);
  CheckGeometries(kBits, PixelLayout::kNhwc, 5, 16);
}

TEST_CASE("byte convolution, every window") {
  CheckGeometries(kBytes, PixelLayout::kNhwc, 5, 16);
  CheckGeometries(kSigned, PixelLayout::kNhwc, 3, 16);
  CheckGeometries({Operand::kS4, Operand::kU4}, PixelLayout::kNhwc, 4, 16);
  CheckGeometries({Operand::kTernary, Operand::kU2}, PixelLayout::kNhwc, 6, 16);
  CheckGeometries(kBytes, PixelLayout::kNchw, 3, 16);
}

TEST_CASE("float convolution, every window") {
  CheckGeometries(kFloats, PixelLayout::kNhwc, 5, 16);
  CheckGeometries(kFloats, PixelLayout::kNchw, 3, 16);
}

constexpr GemmTypes kScaled{Operand::kS4, Operand::kU4};

TEST_CASE("scaled channels, every window") {
  CheckGeometries(kScaled, PixelLayout::kNhwc, 5, 16, 1, OwnOf::kScale);
  CheckGeometries({Operand::kTernary, Operand::kS4}, PixelLayout::kNhwc, 3, 33,
                  1, OwnOf::kScale);
}

TEST_CASE("scaled channels, every operand and count") {
  const AxisSpec axis{7, 3, 1, 1, 1, 1};
  for (const Operand weights : {Operand::kS4, Operand::kBipolar4, Operand::kU3,
                                Operand::kTernary, Operand::kBipolar}) {
    for (const Operand codes :
         {Operand::kU2, Operand::kS3, Operand::kBipolar2}) {
      for (size_t ic : {size_t{1}, size_t{15}, size_t{16}, size_t{33}}) {
        CheckAll(Geometry({5, 3, 2, 1, 1, 1}, axis, ic, 17), {weights, codes},
                 PixelLayout::kNhwc, 25, OwnOf::kScale);
      }
    }
  }
  for (size_t pixels = 1; pixels < 20; ++pixels) {
    CheckAll(Geometry({2, 3, 1, 1, 1, 1}, {pixels, 3, 1, 1, 1, 1}, 4, 70),
             kScaled, PixelLayout::kNhwc, 25, OwnOf::kScale);
  }
  CheckAll(Geometry({4, 3, 1, 1, 1, 1}, {40, 3, 1, 1, 1, 1}, 64, 100), kScaled,
           PixelLayout::kNhwc, 25, OwnOf::kScale);
}

TEST_CASE("scaled channels at the ends of their ranges") {
  for (const GemmTypes types : {GemmTypes{Operand::kS4, Operand::kS8},
                                GemmTypes{Operand::kS4, Operand::kU8},
                                GemmTypes{Operand::kBipolar4, Operand::kU4}}) {
    REQUIRE(TakesScaled(types, 3, 3));
    CheckAll(Geometry({5, 3, 1, 1, 1, 1}, {6, 3, 1, 1, 1, 1}, 20, 33), types,
             PixelLayout::kNhwc, 25, OwnOf::kExtremes);
  }
  CHECK_FALSE(TakesScaled({Operand::kS8, Operand::kU4}, 3, 3));
  CHECK_FALSE(TakesScaled({Operand::kS4, Operand::kU8}, 7, 7));
  CHECK(TakesScaled({Operand::kS4, Operand::kU4}, 7, 7));
  CHECK_FALSE(TakesScaled({Operand::kS4, Operand::kF32}, 3, 3));
  CHECK_FALSE(TakesScaled({Operand::kS4, Operand::kU4}, 3, 1 << 20));
  CHECK_FALSE(TakesScaled({Operand::kS4, Operand::kU4}, 1 << 20, 3));
}

TEST_CASE("grouped convolution") {
  const AxisSpec axis{6, 3, 1, 1, 1, 1};
  for (GemmTypes types : {kBits, kFloats, kBytes}) {
    CheckAll(Geometry(axis, axis, 6, 4, 2), types);
    CheckAll(Geometry(axis, axis, 128, 64, 2), types);
    CheckAll(Geometry(axis, {5, 1}, 12, 12, 12), types);
    CheckAll(Geometry({5, 1}, {7, 1}, 15, 66, 3), types);
  }
  CheckAll(Geometry(axis, axis, 6, 4, 2), kFloats, PixelLayout::kNchw);
}

TEST_CASE("depthwise convolution, every channel count") {
  const AxisSpec axis{7, 3, 1, 1, 1, 1};
  for (GemmTypes types : {kBits, kFloats, kBytes, kSigned}) {
    for (size_t channels : std::initializer_list<size_t>{
             2, 3, 8, 15, 16, 17, 31, 33, 63, 64, 65, 130})
      CheckAll(
          Geometry(axis, {11, 3, 1, 1, 1, 1}, channels, channels, channels),
          types);
  }
}

TEST_CASE("depthwise convolution, every window") {
  for (GemmTypes types : {kBits, kFloats, kBytes})
    CheckGeometries(types, PixelLayout::kNhwc, 20, 20, 20);
  // More taps than a byte can count.
  CheckAll(Geometry({13, 12, 1, 1, 1, 1}, {14, 12}, 70, 70, 70), kBits,
           PixelLayout::kNhwc, 0);
}

TEST_CASE("stems") {
  for (PixelLayout layout : {PixelLayout::kNhwc, PixelLayout::kNchw}) {
    for (GemmTypes types : {kFloats, kBytes}) {
      const AxisSpec resnet{21, 7, 2, 1, 3, 3};
      CheckAll(Geometry(resnet, resnet, 3, 64), types, layout);
      CheckAll(Geometry({32, 16, 16}, {48, 16, 16}, 3, 24), types, layout);
      CheckAll(Geometry({12, 4, 4}, {8, 4, 4}, 3, 24), types, layout);
    }
  }
}

TEST_CASE("more pixels and filters than a block and a strip hold") {
  const AxisSpec axis{24, 3, 1, 1, 1, 1};
  CheckAll(Geometry(axis, axis, 64, 300), kBits);
  CheckAll(Geometry({9, 3, 1, 1, 1, 1}, {9, 3, 1, 1, 1, 1}, 448, 130), kBits);
}

// Codes out: +1 above 0, -1 below, by the epilogue's windows; `unit` columns of
// the output planes form a group.
void CheckCodes(const ConvGeometry& g, size_t unit) {
  const ConvCase c(g, kBits, PixelLayout::kNhwc, 25, 7);
  const std::vector<int32_t> zero(g.oc, 1), top(g.oc, INT32_MAX),
      minus(g.oc, -1), bottom(g.oc, INT32_MIN);
  for (const ConvKernel& kernel : KernelsFor({g, kBits})) {
    Filters f = Prepare(c, kernel, EpilogueKind::kWindowSign, unit);
    test::TestPlanes out(g.Pixels(), g.oc, unit);
    ConvRun run{c.image(), f.Ready(), {}, 0};
    run.epilogue.codes = out.planes();
    run.epilogue.pos_lo = zero.data();
    run.epilogue.pos_hi = top.data();
    run.epilogue.neg_lo = bottom.data();
    run.epilogue.neg_hi = minus.data();
    const size_t half = g.Pixels() / 2;
    ConvRows(f.plan, run, half, g.Pixels(), f.scratch.As<void>());
    ConvRows(f.plan, run, 0, half, f.scratch.As<void>());
    INFO(kernel.name() << " " << c.Name() << " unit " << unit);
    size_t wrong = 0;
    for (size_t p = 0; p < g.Pixels(); ++p) {
      int32_t valid = 0;
      for (size_t n = 0; n < g.oc; ++n) {
        const double acc = c.Expected(p, n);
        const int code = acc > 0 ? 1 : acc < 0 ? -1 : 0;
        wrong += CodeAt(out.planes(), p, n) != code;
        valid += code != 0;
      }
      wrong += out.planes().valid_count[p] != valid;
    }
    REQUIRE(wrong == 0);
    REQUIRE(out.Intact());
    REQUIRE(f.scratch.Intact());
  }
}

TEST_CASE("convolution to codes, groups of columns included") {
  const AxisSpec axis{6, 3, 1, 1, 1, 1};
  CheckCodes(Geometry(axis, axis, 64, 64), 64);
  CheckCodes(Geometry(axis, axis, 64, 200), 200);
  CheckCodes(Geometry(axis, axis, 64, 192), 96);
  CheckCodes(Geometry(axis, axis, 128, 128, 2), 64);
  CheckCodes(Geometry(axis, axis, 12, 30, 3), 30);
  CheckCodes(Geometry(axis, axis, 64, 80, 2), 80);
}

TEST_CASE("a pointwise convolution gathers nothing") {
  const auto gathers = [](const ConvGeometry& g) {
    const ConvQuery query{g, kBits};
    return PlanConv(query, ConvKernels(query, DetectCpu())[0],
                    *SelectEpilogue(EpilogueKind::kStoreI32, DetectCpu()))
        .gathers;
  };
  CHECK_FALSE(gathers(Geometry({8, 1}, {8, 1}, 64, 16)));
  CHECK(gathers(Geometry({8, 1, 2}, {8, 1}, 64, 16)));
  CHECK(gathers(Geometry({8, 1}, {8, 1}, 64, 16, 2)));
  CHECK(gathers(Geometry({8, 1}, {8, 1, 1, 1, 0, 1}, 64, 16)));
}

// A CPU with everything, narrowed to `target`: selection for CPUs that we do
// not own.
CpuFeatures Imagined(std::string_view target) {
  CpuFeatures cpu;
  REQUIRE(CapCpu({~uint32_t{0}, ~int64_t{0}}, target, &cpu));
  return cpu;
}

std::string Selected(std::string_view target, const ConvQuery& query) {
  const ConvKernel kernel = SelectConv(query, Imagined(target));
  return kernel == ConvKernel{} ? "none" : kernel.name();
}

constexpr AxisSpec kSame{14, 3, 1, 1, 1, 1}, kStem{224, 7, 2, 1, 3, 3};

#if defined(__x86_64__)
TEST_CASE("selection on x86") {
  const ConvQuery layer{Geometry(kSame, kSame, 256, 256), kBits},
      narrow{Geometry(kSame, kSame, 32, 32), kBits},
      pointwise{Geometry({32, 1}, {32, 1}, 1024, 512), kBits},
      grouped{Geometry(kSame, kSame, 256, 256, 2), kBits},
      depthwise{Geometry(kSame, kSame, 64, 64, 64), kBits},
      depthwise_f32{Geometry(kSame, kSame, 64, 64, 64), kFloats},
      stem{Geometry(kStem, kStem, 3, 64), kFloats, PixelLayout::kNchw};
  CHECK(Selected("avx2", layer) == "w1a1/direct-lut/avx2");
  CHECK(Selected("avx512dl", layer) == "w1a1/direct/avx512vpopcntdq");
  CHECK(Selected("avx2", narrow) == "w1a1/direct-lut/avx2");
  CHECK(Selected("avx512dl", narrow) == "w1a1/direct/avx512vpopcntdq");
  CHECK(Selected("sse4", layer) == "w1a1/popcount/sse4");
  CHECK(Selected("avx2", pointwise) == "w1a1/lut/avx2");
  CHECK(Selected("avx512dl", pointwise) == "w1a1/popcount/avx512vpopcntdq");
  CHECK(Selected("avx2", grouped) == "w1a1/lut/avx2");
  CHECK(Selected("avx2", depthwise) == "w1a1/depthwise/avx2");
  CHECK(Selected("avx512", depthwise_f32) == "f32/depthwise/avx512");
  CHECK(Selected("avx2", stem) == "f32/fma/avx2");
  CHECK(Selected("avx512dl", stem) == "f32/fma/avx512");
  const ConvQuery scaled{Geometry(kSame, kSame, 64, 64), kScaled,
                         PixelLayout::kNhwc, 1, true};
  CHECK(Selected("scalar", scaled) == "scaled/reference");
  CHECK(Selected("sse4", scaled) == "scaled/maddubs/sse4");
  CHECK(Selected("avx2", scaled) == "scaled/maddubs/avx2");
  CHECK(Selected("avx512", scaled) == "scaled/maddubs/avx2");
  CHECK(Selected("avx512dl", scaled) == "scaled/vnni/avx512vnni");
  CHECK(Selected("avx2", {Geometry(kSame, kSame, 64, 64, 2), kScaled,
                          PixelLayout::kNhwc, 1, true}) == "none");
}
#elif defined(__aarch64__)
TEST_CASE("selection on AArch64") {
  CHECK(Selected("neon", {Geometry(kSame, kSame, 256, 256), kBits}) ==
        "w1a1/direct/neon");
  CHECK(Selected("neon", {Geometry(kSame, kSame, 64, 64, 64), kFloats}) ==
        "f32/depthwise/neon");
}
#endif

TEST_CASE("selection finds nothing for operands that nothing takes") {
  const ConvGeometry g = Geometry(kSame, kSame, 64, 64);
  CHECK(SelectConv({g, {Operand::kF32, Operand::kSign}}, DetectCpu()) ==
        ConvKernel{});
}

TEST_CASE("kernel descriptors are whole and the references come first") {
  for (std::string_view target : TargetNames()) {
    const CpuFeatures cpu = Imagined(target);
    std::set<std::string> names;
    const auto direct = DirectKernels(cpu);
    for (const DirectKernel* kernel : direct) {
      INFO(kernel->name);
      CHECK(names.insert(kernel->name).second);
      CHECK(kernel->is_reference == (kernel == direct[0]));
      CHECK(kernel->nr % 16 == 0);
      CHECK(kernel->nr % kernel->n_unit == 0);
      CHECK((kernel->pixel_bytes == nullptr) ==
            (kernel->pack_image == nullptr));
      REQUIRE(FindDirectCost(*kernel, CpuClass::kGeneric) != nullptr);
    }
    bool references = true;
    for (const DepthwiseKernel* kernel : DepthwiseKernels(cpu)) {
      INFO(kernel->name);
      CHECK(names.insert(kernel->name).second);
      CHECK((references || !kernel->is_reference));
      references = kernel->is_reference;
      CHECK(kernel->mac_per_cycle > 0);
    }
    const auto scaled = ScaledKernels(cpu);
    for (const ScaledKernel* kernel : scaled) {
      INFO(kernel->name);
      CHECK(names.insert(kernel->name).second);
      CHECK(kernel->is_reference == (kernel == scaled[0]));
      CHECK(kernel->nr % 16 == 0);
      CHECK(kernel->mac_per_cycle > 0);
    }
  }
}

}  // namespace
}  // namespace bittern::kernels
