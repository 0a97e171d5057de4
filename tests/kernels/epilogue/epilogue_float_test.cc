// The epilogues that finish floats, with every optional operation, on every
// target against the plain loops: bytes, planes and row sums; and the integer
// thresholds against the float operations that they stand for.
#include <catch2/catch.hpp>
#include <cmath>

#include "kernels/epilogue/epilogue.h"
#include "kernels/epilogue/thresholds.h"
#include "kernels/quantize/bytes.h"
#include "tests/kernels/epilogue/epilogue_support.h"

namespace bittern::kernels {
namespace {

using test::Guarded;
using test::Random;
using test::TestPlanes;

using Kind = EpilogueStep::Kind;

// Every list of steps that a model has, and some that none has.
const std::vector<std::vector<Kind>> kStepLists = {
    {},
    {Kind::kGelu},
    {Kind::kAdd, Kind::kPRelu, Kind::kAdd},  // RPReLU
    {Kind::kResidual, Kind::kAdd, Kind::kPRelu, Kind::kAdd},
    {Kind::kRelu, Kind::kClip},
    {Kind::kPRelu, Kind::kResidual},
    {Kind::kMul, Kind::kAdd, Kind::kGelu, Kind::kClip, Kind::kMul}};

constexpr size_t kCol = 64;  // of a strip's first channel

// One layer with all that an epilogue may be given; Args() leaves out what the
// bits of `flags` do not ask for.
struct Layer {
  Layer(size_t cols, uint64_t seed) : n(kCol + cols) {
    Random random(seed);
    scale = random.Normals(n);
    for (float& v : scale) v *= 0.01f;
    bias = random.Normals(n);
    residual = random.Normals(kRows * n);
    residual[2 * n + kCol] = NAN;
    values = random.Normals(n);
    row_scale = random.Normals(kRows);
    a = random.Normals(n);
    z = std::vector<float>(n, 1.0f);
    for (size_t i = 0; i < n; ++i) {
      correction.push_back(static_cast<int32_t>(random.Below(999)) - 500);
      column_term.push_back(static_cast<int32_t>(random.Below(9)) - 4);
    }
    for (size_t i = 0; i < kRows; ++i)
      row_term.push_back(static_cast<int32_t>(random.Below(99)) - 50);
    for (size_t i = 0; i < std::max(n, kRows); ++i) {
      code_scale.push_back(random.Uniform(0.05f, 0.4f));
      code_zero.push_back(static_cast<float>(random.Below(5)) - 2);
    }
  }

  EpilogueArgs Args(unsigned flags, const std::vector<Kind>& list) {
    steps.clear();
    for (const Kind kind : list)
      steps.push_back({kind, values.data(), -0.75f, 1.5f});
    EpilogueArgs args;
    args.scale = scale.data();
    args.bias = (flags & 1) != 0 ? bias.data() : nullptr;
    args.residual = (flags & 2) != 0 ? residual.data() : nullptr;
    for (const Kind kind : list) {
      if (kind == Kind::kResidual) args.residual = residual.data();
    }
    args.residual_stride = static_cast<ptrdiff_t>(n * 4);
    if ((flags & 4) != 0) args.correction = correction.data();
    if ((flags & 8) != 0) {
      args.row_term = row_term.data();
      args.column_term = column_term.data();
      args.row_scale = row_scale.data();
    }
    args.steps = steps.data();
    args.step_count = steps.size();
    args.a = (flags & 1) != 0 ? a.data() : nullptr;
    args.z = (flags & 1) != 0 ? z.data() : nullptr;
    args.quantiser.scale = code_scale.data();
    args.quantiser.zero = (flags & 2) != 0 ? code_zero.data() : nullptr;
    args.quantiser.per = static_cast<ScalePer>(flags % 3);
    args.quantiser.multiply = (flags & 4) != 0;
    args.quantiser.lo = -8;
    args.quantiser.hi = 7;
    return args;
  }

  size_t n;
  std::vector<float> scale, bias, residual, values, row_scale, a, z, code_scale,
      code_zero;
  std::vector<int32_t> correction, row_term, column_term;
  std::vector<EpilogueStep> steps;
};

// Integers of moderate size, or floats with some extremes.
Strip MakeStrip(size_t cols, bool floats) {
  Strip strip(kCol, cols, cols, 400);
  if (!floats) return strip;
  const float extremes[] = {-0.0f, INFINITY, NAN, 0x1p-149f};
  Random random(cols);
  for (size_t r = 0; r < kStripRows; ++r) {
    for (size_t j = 0; j < cols; ++j) {
      const float v = random.Below(20) == 0 ? extremes[random.Below(4)]
                                            : 3 * random.Normal();
      std::memcpy(&strip.At(r, j), &v, 4);
    }
  }
  return strip;
}

bool HasFloatStrip(EpilogueKind kind) {
  return kind == EpilogueKind::kFloatF32 || kind == EpilogueKind::kFloatBytes ||
         kind == EpilogueKind::kFloatSign;
}

// Runs target and reference into equal garbage of `bytes` bytes and gives the
// number of bytes that differ; all of them if a guard byte changed.
template <class Prepare>
size_t Different(const Target& target, EpilogueArgs args, EpilogueStrip strip,
                 size_t bytes, const Prepare& prepare) {
  Guarded expected(bytes, 4), got(bytes, 4);
  expected.Fill(0xC3);
  got.Fill(0xC3);
  prepare(args, expected);
  Reference(target.kernel->kind).run(args, strip);
  prepare(args, got);
  target.kernel->run(args, strip);
  if (!got.Intact()) return SIZE_MAX;
  size_t different = 0;
  for (size_t i = 0; i < bytes; ++i)
    different += expected.As<uint8_t>()[i] != got.As<uint8_t>()[i];
  return different;
}

// GELU is the only fused step.
bool Exact(const Target& target, const std::vector<Kind>& list) {
  return target.exact ||
         std::find(list.begin(), list.end(), Kind::kGelu) == list.end();
}

// Calls check(target, layer, args, strip, exact) for every target of `kinds`,
// width, list of steps and 16 sets of optional operands.
template <class Check>
void ForEachCase(std::initializer_list<EpilogueKind> kinds,
                 const Check& check) {
  for (const EpilogueKind kind : kinds) {
    for (const Target& target : Targets(kind)) {
      for (const size_t cols : kWidths) {
        Layer layer(cols, cols);
        Strip strip = MakeStrip(cols, HasFloatStrip(kind));
        for (size_t list = 0; list < kStepLists.size(); ++list) {
          for (unsigned flags = static_cast<unsigned>(cols) % 3; flags < 16;
               flags += 3) {
            CAPTURE(target.name, cols, list, flags);
            EpilogueArgs args = layer.Args(flags, kStepLists[list]);
            if (HasFloatStrip(kind) && (flags & 8) != 0) args.scale = nullptr;
            check(target, layer, args, strip.View(),
                  Exact(target, kStepLists[list]));
          }
        }
      }
    }
  }
}

TEST_CASE("finished floats equal the reference") {
  ForEachCase(
      {EpilogueKind::kScaleF32, EpilogueKind::kFloatF32},
      [](const Target& target, const Layer& layer, const EpilogueArgs& args,
         const EpilogueStrip& strip, bool exact) {
        const size_t n = layer.n;
        const size_t different = Different(target, args, strip, kRows * n * 4,
                                           [n](EpilogueArgs& a, Guarded& out) {
                                             a.out_f32 = out.As<float>();
                                             a.out_stride =
                                                 static_cast<ptrdiff_t>(n * 4);
                                           });
        // Unfused, the low half of a float may differ.
        REQUIRE(different <= (exact ? 0 : kStripRows * strip.cols * 2));
      });
}

TEST_CASE("bytes of finished floats equal the reference") {
  ForEachCase(
      {EpilogueKind::kScaleBytes, EpilogueKind::kFloatBytes},
      [](const Target& target, const Layer& layer, const EpilogueArgs& args,
         const EpilogueStrip& strip, bool exact) {
        const size_t n = layer.n;
        const size_t different = Different(
            target, args, strip, kRows * n, [n](EpilogueArgs& a, Guarded& out) {
              a.bytes = {out.As<uint8_t>(), static_cast<ptrdiff_t>(n), kRows,
                         n};
            });
        REQUIRE(different <=
                (exact ? 0 : kStripRows * strip.cols / kUnfusedOneIn + 1));
      });
}

// A strip of `groups` groups behind one that it leaves alone, as integers of a
// LowBitLinear; flags as in Layer::Args.
void CheckGroupNormBytes(const Target& target, size_t groups, size_t group,
                         unsigned flags) {
  const size_t cols = groups * group, n = cols + group;
  Layer layer(n - kCol, n);
  EpilogueArgs args = layer.Args(flags & 7, {});
  args.residual = nullptr;
  args.gamma = layer.values.data();
  args.beta = layer.a.data();
  args.epsilon = 1e-5f;
  args.norm_group = group;
  args.norm_bytes = SelectBytes(DetectCpu());
  args.quantiser.per = static_cast<ScalePer>(flags / 8 % 2);
  if ((flags & 16) != 0)
    args.quantiser.zero_place = ZeroPointPlace::kAfterRounding;
  Strip strip(group, cols, cols, 400);
  for (size_t j = 0; j < group; ++j) strip.At(1, j) = 3;
  if ((flags & 3) == 0) {  // no variance: rstd = 1 / sqrt(epsilon)
    for (size_t j = 0; j < group; ++j) layer.scale[group + j] = 0.25f;
  }
  if ((flags & 1) != 0) layer.bias[n - 1] = NAN;  // and so all of its group
  const size_t different = Different(
      target, args, strip.View(), kRows * n,
      [n](EpilogueArgs& a, Guarded& out) {
        a.bytes = {out.As<uint8_t>(), static_cast<ptrdiff_t>(n), kRows, n};
      });
  REQUIRE(different <=
          (target.exact ? 0 : kStripRows * cols / kUnfusedOneIn + 1));
}

TEST_CASE("bytes of normalised groups equal the reference") {
  for (const Target& target : Targets(EpilogueKind::kGroupNormBytes)) {
    for (const size_t group : kWidths) {
      for (const size_t groups : {size_t{1}, size_t{3}}) {
        if ((groups + 1) * group <= kCol) continue;  // Layer has more columns
        for (const unsigned flags : {0u, 3u, 5u, 7u, 8u, 11u, 13u, 15u, 27u}) {
          CAPTURE(target.name, group, groups, flags);
          CheckGroupNormBytes(target, groups, group, flags);
        }
      }
    }
  }
}

TEST_CASE("signs of finished floats equal the reference") {
  ForEachCase(
      {EpilogueKind::kScaleSign, EpilogueKind::kFloatSign},
      [](const Target& target, const Layer& layer, EpilogueArgs args,
         const EpilogueStrip& strip, bool exact) {
        // Groups of 64 where they fit, else one of all columns.
        const size_t group = layer.n % 64 == 0 ? 64 : layer.n;
        TestPlanes expected(kRows, layer.n, group), got(kRows, layer.n, group);
        for (const TestPlanes* planes : {&expected, &got})
          std::memset(planes->planes().valid_count, 0, kRows * 4);
        args.codes = expected.planes();
        Reference(target.kernel->kind).run(args, strip);
        args.codes = got.planes();
        target.kernel->run(args, strip);
        REQUIRE(got.Intact());
        if (exact) {
          REQUIRE(test::SameRows(got.planes(), expected.planes(), 0, kRows));
        } else {
          REQUIRE(test::CountDifferent(got.planes(), expected.planes()) <=
                  kStripRows * strip.cols / kUnfusedOneIn + 1);
        }
      });
}

TEST_CASE("floats and their signs at once equal the reference") {
  ForEachCase({EpilogueKind::kScaleF32, EpilogueKind::kFloatF32},
              [](const Target& target, Layer& layer, EpilogueArgs args,
                 const EpilogueStrip& strip, bool exact) {
                const size_t n = layer.n;
                if (args.bias != nullptr) args.sign_shift = layer.values.data();
                std::vector<float> floats[2];
                std::vector<TestPlanes> planes;
                for (size_t i = 0; i < 2; ++i) {
                  floats[i].assign(kRows * n, 7.0f);
                  const TestPlanes& p = planes.emplace_back(kRows, n, n);
                  std::memset(p.planes().valid_count, 0, kRows * 4);
                  args.codes = p.planes();
                  args.out_f32 = floats[i].data();
                  args.out_stride = static_cast<ptrdiff_t>(n * 4);
                  (i == 0 ? Reference(target.kernel->kind) : *target.kernel)
                      .run(args, strip);
                }
                REQUIRE(planes[1].Intact());
                if (!exact) {
                  REQUIRE(test::CountDifferent(planes[1].planes(),
                                               planes[0].planes()) <=
                          kStripRows * strip.cols / kUnfusedOneIn + 1);
                  return;
                }
                REQUIRE(std::memcmp(floats[0].data(), floats[1].data(),
                                    floats[0].size() * 4) == 0);
                REQUIRE(test::SameRows(planes[1].planes(), planes[0].planes(),
                                       0, kRows));
              });
}

TEST_CASE("row sums have the bits of the row sum of the finished row") {
  for (const EpilogueKind kind :
       {EpilogueKind::kScaleF32, EpilogueKind::kFloatF32}) {
    for (const Target& target : Targets(kind)) {
      for (const size_t cols : kWidths) {
        CAPTURE(target.name, cols);
        Layer layer(cols, cols);
        const size_t n = layer.n;
        EpilogueArgs args = layer.Args(3, {});
        std::vector<float> out(kRows * n, 0.0f), lanes(kRows * 16, 0.0f);
        args.out_f32 = out.data();
        args.out_stride = static_cast<ptrdiff_t>(n * 4);
        args.lane_sums = lanes.data();
        Strip whole(0, n, cols, 400);  // given as two strips, in order
        EpilogueStrip part = whole.View();
        part.cols = kCol;
        target.kernel->run(args, part);
        part.strip = &whole.At(0, kCol);
        part.col = kCol;
        part.cols = cols;
        target.kernel->run(args, part);
        std::vector<float> expected(kRows * 16, 0.0f);
        for (size_t m = 1; m <= kStripRows; ++m) {
          for (size_t i = 0; i < n; ++i)
            expected[16 * m + i % 16] += out[m * n + i];
        }
        // -0 + +0 and NaNs aside, equal bits; a NaN row stays NaN.
        for (size_t i = 0; i < lanes.size(); ++i) {
          REQUIRE((test::SameBits(lanes[i], expected[i]) ||
                   (std::isnan(lanes[i]) && std::isnan(expected[i]))));
        }
      }
    }
  }
}

struct ThresholdTable {
  std::vector<int32_t> thresholds, flip;

  ThresholdTable(size_t count, size_t n) : thresholds(count * n), flip(n) {}
};

// Codes of thresholds on every target against those of the float operations.
void CheckThresholds(Layer& layer, EpilogueArgs args, size_t cols) {
  const auto count = static_cast<size_t>(args.quantiser.hi - args.quantiser.lo);
  ThresholdTable table(count, layer.n);
  REQUIRE(MakeThresholds(args, Reference(EpilogueKind::kScaleBytes), layer.n,
                         -1000, 1000, table.thresholds.data(),
                         table.flip.data()));
  EpilogueArgs fast = args;
  fast.thresholds = table.thresholds.data();
  fast.flip = table.flip.data();
  fast.threshold_count = count;
  fast.channels = layer.n;
  Strip strip = MakeStrip(cols, false);
  const size_t bytes = kRows * layer.n;
  Guarded expected(bytes, 1);
  expected.Fill(0xC3);
  args.bytes = {expected.As<uint8_t>(), static_cast<ptrdiff_t>(layer.n), kRows,
                layer.n};
  Reference(EpilogueKind::kScaleBytes).run(args, strip.View());
  for (const Target& target : Targets(EpilogueKind::kThresholdBytes)) {
    CAPTURE(target.name);
    Guarded got(bytes, 1);
    got.Fill(0xC3);
    fast.bytes = args.bytes;
    fast.bytes.data = got.As<uint8_t>();
    target.kernel->run(fast, strip.View());
    REQUIRE(got.Intact());
    REQUIRE(std::memcmp(got.As<void>(), expected.As<void>(), bytes) == 0);
  }
}

TEST_CASE("thresholds give the codes of the float operations") {
  const std::vector<std::vector<Kind>> lists = {
      {}, {Kind::kRelu}, {Kind::kAdd, Kind::kPRelu, Kind::kAdd}};
  for (const size_t cols : kWidths) {
    for (size_t list = 0; list < lists.size(); ++list) {
      for (const unsigned flags : {0u, 1u, 5u}) {
        CAPTURE(cols, list, flags);
        Layer layer(cols, cols);
        for (float& v : layer.values) v = std::fabs(v);
        EpilogueArgs args = layer.Args(flags, lists[list]);
        args.quantiser.per = ScalePer::kColumn;
        if (flags == 1) {  // {-3, -1, 1, 3}
          args.quantiser.lo = 0;
          args.quantiser.hi = 3;
          args.quantiser.step = 2;
          args.quantiser.offset = -3;
        }
        CheckThresholds(layer, args, cols);
        for (int32_t above = 0; above < 3; ++above) {  // one to three codes
          args.quantiser.hi = args.quantiser.lo + above;
          CheckThresholds(layer, args, cols);
        }
      }
    }
  }
}

TEST_CASE("thresholds of a GELU that only rises give its codes") {
  Layer layer(33, 1);
  EpilogueArgs args = layer.Args(0, {Kind::kGelu});
  args.quantiser.per = ScalePer::kTensor;
  layer.code_scale[0] = 0.4f;  // the dip of -0.17 rounds to 0
  for (const bool falling : {false, true}) {
    for (float& v : layer.scale) v = falling ? -std::fabs(v) : std::fabs(v);
    CheckThresholds(layer, args, 33);
  }
}

TEST_CASE("layers that have no thresholds are told apart") {
  Layer layer(16, 1);
  ThresholdTable table(15, layer.n);
  const auto found = [&](const EpilogueArgs& args) {
    return MakeThresholds(args, Reference(EpilogueKind::kScaleBytes), layer.n,
                          -1000, 1000, table.thresholds.data(),
                          table.flip.data());
  };
  EpilogueArgs args = layer.Args(0, {Kind::kGelu});
  args.quantiser.per = ScalePer::kTensor;
  layer.code_scale[0] = 0.1f;  // the dip is a code of its own
  CHECK_FALSE(found(args));
  args.step_count = 0;
  CHECK(found(args));
  args.residual = layer.residual.data();
  CHECK_FALSE(found(args));
  args.residual = nullptr;
  args.row_scale = layer.row_scale.data();
  CHECK_FALSE(found(args));
  args.row_scale = nullptr;
  args.quantiser.per = ScalePer::kRow;
  CHECK_FALSE(found(args));
}

TEST_CASE("the order of the operations") {
  const int32_t acc = 3, correction = 2, row_term = 10, column_term = -1;
  const float scale = -2, bias = 5, residual = 100, slope = 0.5f;
  float out = 0;
  const EpilogueStep steps[] = {{Kind::kPRelu, &slope},
                                {Kind::kResidual},
                                {Kind::kClip, nullptr, 0, 101.5f}};
  EpilogueArgs args;
  args.scale = &scale;
  args.bias = &bias;
  args.residual = &residual;
  args.correction = &correction;
  args.row_term = &row_term;
  args.column_term = &column_term;
  args.out_f32 = &out;
  args.steps = steps;
  const EpilogueKernel& kernel = Reference(EpilogueKind::kScaleF32);
  const EpilogueStrip strip{&acc, 4, 0, 1, 0, 1};
  kernel.run(args, strip);
  CHECK(out == 115);  // (3 + 2 - 10) * -2 + 5 + 100
  args.step_count = 1;
  args.row_term = nullptr;
  kernel.run(args, strip);
  CHECK(out == 97.5f);  // prelu(5 * -2 + 5) + 100
  args.step_count = 3;
  args.correction = nullptr;
  kernel.run(args, strip);
  CHECK(out == 99.5f);  // clip(prelu(3 * -2 + 5) + 100)
}

}  // namespace
}  // namespace bittern::kernels
