// Every epilogue on every target against the plain loops: strips at odd columns
// and widths, with and without bias and residual, windows hit at their ends,
// groups of every size, extremes, guard bytes.
#include "kernels/epilogue/epilogue.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/kernels/epilogue/epilogue_support.h"

namespace bittern::kernels {

namespace {

using test::Guarded;
using test::Random;
using test::TestPlanes;

// Runs `target` and the reference on equal garbage and compares all of it.
bool SameFloats(const Target& target, EpilogueArgs args, EpilogueStrip strip,
                size_t n) {
  const size_t bytes = kRows * n * 4;
  Guarded expected(bytes, 4), got(bytes, 4);
  args.out_stride = static_cast<ptrdiff_t>(n * 4);
  args.out_f32 = expected.As<float>();
  args.out_i32 = expected.As<int32_t>();
  Reference(target.kernel->kind).run(args, strip);
  args.out_f32 = got.As<float>();
  args.out_i32 = got.As<int32_t>();
  target.kernel->run(args, strip);
  return got.Intact() &&
         std::memcmp(expected.As<void>(), got.As<void>(), bytes) == 0;
}

TEST_CASE("int32 strips are stored") {
  for (const Target& target : Targets(EpilogueKind::kStoreI32)) {
    for (const size_t cols : kWidths) {
      CAPTURE(target.name, cols);
      Strip strip(7, cols, cols, INT32_MAX / 2);
      REQUIRE(SameFloats(target, {}, strip.View(), cols + 9));
    }
  }
}

void CheckFloatKind(EpilogueKind kind) {
  for (const Target& target : Targets(kind)) {
    for (const size_t cols : kWidths) {
      for (const int flags : {0, 1, 2, 3}) {
        CAPTURE(target.name, cols, flags);
        const size_t n = cols + 9;
        Random random(cols);
        const std::vector<float> scale = random.Normals(n),
                                 bias = random.Normals(n);
        std::vector<float> residual = random.Normals(kRows * n);
        residual[2 * n + 7] = NAN;
        Strip strip(7, cols, cols, 5000);
        if (kind == EpilogueKind::kFloatF32) {
          const float values[] = {-0.0f, 1.5f, -INFINITY, 0x1p-149f};
          for (size_t j = 0; j < cols; ++j)
            std::memcpy(&strip.At(1, j), &values[j % 4], 4);
        }
        EpilogueArgs args;
        args.scale = scale.data();
        args.bias = (flags & 1) != 0 ? bias.data() : nullptr;
        args.residual = (flags & 2) != 0 ? residual.data() : nullptr;
        args.residual_stride = static_cast<ptrdiff_t>(n * 4);
        REQUIRE(SameFloats(target, args, strip.View(),
                           n));  // no fused operation: exact on every target
      }
    }
  }
}

TEST_CASE("integer strips become floats") {
  CheckFloatKind(EpilogueKind::kScaleF32);
}
TEST_CASE("float strips are finished") {
  CheckFloatKind(EpilogueKind::kFloatF32);
}

// Runs both on planes whose counts are zeroed, as the contract asks, and counts
// the codes that differ (all if anything else does).
size_t DifferentCodes(const Target& target, EpilogueArgs args,
                      EpilogueStrip strip, size_t n, size_t group) {
  TestPlanes expected(kRows, n, group), got(kRows, n, group);
  for (const TestPlanes* planes : {&expected, &got})
    std::memset(planes->planes().valid_count, 0, kRows * sizeof(int32_t));
  args.codes = expected.planes();
  Reference(target.kernel->kind).run(args, strip);
  args.codes = got.planes();
  target.kernel->run(args, strip);
  if (!got.Intact()) return SIZE_MAX;
  if (test::SameRows(got.planes(), expected.planes(), 0, kRows)) return 0;
  return target.exact ? SIZE_MAX
                      : test::CountDifferent(got.planes(), expected.planes());
}

struct WindowBounds {
  std::vector<int32_t> pos_lo, pos_hi, neg_lo, neg_hi;

  explicit WindowBounds(size_t n) {
    Random random(n);
    const auto value = [&] {
      return static_cast<int32_t>(random.Below(9)) - 4;
    };
    for (size_t i = 0; i < n; ++i) {
      pos_lo.push_back(i % 7 == 0 ? INT32_MIN : value());
      pos_hi.push_back(i % 5 == 0 ? INT32_MAX
                                  : value());  // often below pos_lo: empty
      neg_lo.push_back(i % 11 == 0 ? INT32_MAX : value());
      neg_hi.push_back(i % 11 == 0 ? INT32_MIN : value());
    }
  }
};

TEST_CASE("windows give the codes") {
  for (const Target& target : Targets(EpilogueKind::kWindowSign)) {
    for (const size_t cols : kWidths) {
      for (const size_t col : {size_t{0}, size_t{64}}) {
        CAPTURE(target.name, col, cols);
        const size_t n = col + cols;
        const WindowBounds bounds(n);
        EpilogueArgs args;
        args.pos_lo = bounds.pos_lo.data();
        args.pos_hi = bounds.pos_hi.data();
        args.neg_lo = bounds.neg_lo.data();
        args.neg_hi = bounds.neg_hi.data();
        Strip strip(col, cols, cols, 6);
        strip.At(0, 0) = INT32_MIN;
        strip.At(2, cols - 1) = INT32_MAX;
        REQUIRE(DifferentCodes(target, args, strip.View(), n, n) == 0);
        if (cols % 3 == 0 && col == 0)
          REQUIRE(DifferentCodes(target, args, strip.View(), n, n / 3) == 0);
      }
    }
  }
}

// Windows that are half-lines on accumulators of at most 6, in both directions;
// with_gap: some channels have codes of zero, or only one code.
struct HalfLineBounds {
  std::vector<int32_t> pos_lo, pos_hi, neg_lo, neg_hi, above, below;
  std::vector<uint64_t> swap;

  HalfLineBounds(size_t n, size_t group, bool with_gap)
      : above(n), below(n), swap(RowWords(n, group)) {
    Random random(n);
    for (size_t i = 0; i < n; ++i) {
      const auto first = static_cast<int32_t>(random.Below(9)) - 4;
      const auto gap = static_cast<int32_t>(with_gap ? random.Below(3) : 0);
      const bool flip = random.Below(2) == 0;
      const bool lone = with_gap && random.Below(8) == 0;
      auto& lo = flip ? neg_lo : pos_lo;
      auto& hi = flip ? neg_hi : pos_hi;
      auto& other_lo = flip ? pos_lo : neg_lo;
      auto& other_hi = flip ? pos_hi : neg_hi;
      lo.push_back(first + gap);
      hi.push_back(6);
      other_lo.push_back(lone ? 1 : -6);
      other_hi.push_back(lone ? 0 : first - 1);
    }
  }
  EpilogueArgs Args() const {
    EpilogueArgs args;
    args.pos_lo = pos_lo.data();
    args.pos_hi = pos_hi.data();
    args.neg_lo = neg_lo.data();
    args.neg_hi = neg_hi.data();
    return args;
  }
};

TEST_CASE("half-lines give the codes") {
  for (const Target& target : Targets(EpilogueKind::kWindowSign)) {
    for (const size_t cols : kWidths) {
      for (const size_t parts : {size_t{1}, size_t{3}}) {
        for (const bool with_gap : {false, true}) {
          if (cols % parts != 0) continue;
          CAPTURE(target.name, cols, parts, with_gap);
          const size_t group = cols / parts;
          HalfLineBounds bounds(cols, group, with_gap);
          EpilogueArgs args = bounds.Args();
          REQUIRE(MakeHalfLines(args, cols, group, 6, bounds.above.data(),
                                bounds.below.data(), bounds.swap.data()));
          args.half_lines = {bounds.above.data(), bounds.below.data(),
                             bounds.swap.data()};
          Strip strip(0, cols, cols, 6);
          REQUIRE(DifferentCodes(target, args, strip.View(), cols, group) == 0);
        }
      }
    }
  }
}

TEST_CASE("windows that are no half-lines are told apart") {
  int32_t above, below;
  uint64_t swap;
  const auto half_line = [&](int32_t pos_lo, int32_t pos_hi, int32_t neg_lo,
                             int32_t neg_hi) {
    EpilogueArgs args;
    args.pos_lo = &pos_lo;
    args.pos_hi = &pos_hi;
    args.neg_lo = &neg_lo;
    args.neg_hi = &neg_hi;
    return MakeHalfLines(args, 1, 1, 10, &above, &below, &swap);
  };
  CHECK(half_line(3, 10, -10, 2));
  CHECK((above == 2 && below == 3 && swap == 0));
  CHECK(half_line(-10, -4, -3, 10));
  CHECK((above == -4 && below == -3 && swap == 1));
  CHECK(half_line(1, 0, -10, 10));  // always -1
  CHECK((above == INT32_MAX && below == 11));
  CHECK(half_line(INT32_MIN, INT32_MAX, 1, 0));  // always +1
  CHECK((above == -11 && below == INT32_MIN));
  CHECK_FALSE(half_line(3, 9, -10, 2));
  CHECK_FALSE(half_line(3, 10, -9, 2));
  CHECK_FALSE(half_line(-3, 3, -10, -4));
}

void CheckGroupNorm(const Target& target, size_t groups, size_t group,
                    bool bias, bool affine) {
  const size_t n = (groups + 1) * group;  // the strip starts at group 1
  Random random(group + groups);
  std::vector<float> scale = random.Normals(n), offset = random.Normals(n),
                     gamma = random.Normals(group),
                     beta = random.Normals(group);
  std::vector<float> a = random.Normals(groups + 1), z(groups + 1);
  for (float& v : z)
    v = static_cast<float>(static_cast<int>(random.Below(6)) - 2);
  for (float& v : scale) v *= 0.01f;
  beta[group / 2] = -z[1] * a[1];
  gamma[group / 2] = 0.0f;  // exactly at the threshold of group 1
  EpilogueArgs args;
  args.scale = scale.data();
  args.bias = bias ? offset.data() : nullptr;
  args.gamma = gamma.data();
  args.beta = beta.data();
  args.epsilon = 1e-5f;
  args.a = affine ? a.data() : nullptr;
  args.z = affine ? z.data() : nullptr;
  Strip strip(group, groups * group, group, 64);
  for (size_t j = 0; j < group; ++j)
    strip.At(1, j) =
        3;  // with equal scales of group 1 no variance: rstd = 1 / sqrt(eps)
  for (size_t j = 0; j < group; ++j) scale[group + j] = 0.25f;
  REQUIRE(DifferentCodes(target, args, strip.View(), n, group) <=
          (target.exact ? 0 : kStripRows * n / kUnfusedOneIn + 1));
}

TEST_CASE("normalised groups give the codes") {
  for (const Target& target : Targets(EpilogueKind::kGroupNormSign)) {
    for (const size_t group : kWidths) {
      for (const size_t groups : {size_t{1}, size_t{3}}) {
        for (const int flags : {0, 1, 2, 3}) {
          CAPTURE(target.name, group, groups, flags);
          CheckGroupNorm(target, groups, group, (flags & 1) != 0,
                         (flags & 2) != 0);
        }
      }
    }
  }
}

TEST_CASE("every kind is selected, the reference last of all") {
  for (size_t i = 0; i < static_cast<size_t>(EpilogueKind::kCount); ++i) {
    const auto kind = static_cast<EpilogueKind>(i);
    const EpilogueKernel* kernel = SelectEpilogue(kind, DetectCpu());
    REQUIRE(kernel != nullptr);
    CHECK(kernel->kind == kind);
    CHECK_FALSE(kernel->is_reference);
  }
}

}  // namespace
}  // namespace bittern::kernels
