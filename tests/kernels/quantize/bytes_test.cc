// The multi-bit quantiser on every target against the plain loops: every
// granularity, order and source over lengths around each vector width, values
// on ties and outside the range, extremes, row ranges, guard bytes; levels and
// row extremes likewise.
#include "kernels/quantize/bytes.h"

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

constexpr size_t kRows = 6;
constexpr size_t kLengths[] = {1,  2,  15, 16,  17,  31,  32, 33,
                               63, 64, 65, 192, 197, 198, 768};
// SSE4 and scalar compute LayerNorm and GELU unfused, so a value at a tie may
// fall on its other side: at most 1 in 200.
constexpr size_t kUnfusedOneIn = 200;

enum class Zero : uint8_t { kNone, kBefore, kAfter };

struct Case {
  ScalePer per;
  bool multiply;
  Zero zero;
  ByteSource source;
};

// The ranges of the operand types, and one of kBipolar2.
struct Codes {
  int32_t lo, hi, step, offset;
};
constexpr Codes kCodes[] = {{0, 255, 1, 0}, {-128, 127, 1, 0}, {0, 15, 1, 0},
                            {-8, 7, 1, 0},  {0, 3, 2, -3},     {-2, 1, 1, 0}};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const ScalePer per :
       {ScalePer::kTensor, ScalePer::kColumn, ScalePer::kRow}) {
    for (const bool multiply : {false, true}) {
      for (const Zero zero : {Zero::kNone, Zero::kBefore, Zero::kAfter}) {
        for (const ByteSource source :
             {ByteSource::kPlain, ByteSource::kLayerNorm, ByteSource::kClip,
              ByteSource::kGeluClip})
          cases.push_back({per, multiply, zero, source});
      }
    }
  }
  return cases;
}

struct Inputs {
  Inputs(const Case& c, const Codes& codes, size_t cols, uint64_t seed)
      : stride(cols * 4 + 12), x(kRows * stride, 4) {
    Random random(seed);
    gamma = random.Normals(cols);
    beta = random.Normals(cols);
    const size_t scales = std::max(cols, kRows);
    const auto range = static_cast<float>(codes.hi - codes.lo);
    for (size_t i = 0; i < scales; ++i) {
      const float s = random.Uniform(1.0f, 5.0f) / range;
      scale.push_back((c.multiply ? 1 / s : s) * (i % 5 == 4 ? -1.0f : 1.0f));
      const auto z = static_cast<float>(random.Below(9)) - 4;
      zero.push_back(c.zero == Zero::kBefore && i % 2 == 0 ? z + 0.3f : z);
    }
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < cols; ++i)
        Row(r)[i] = Value(random, c, ScaleIndex(c.per, r, i));
    }
    args.x = x.As<float>();
    args.x_stride = static_cast<ptrdiff_t>(stride);
    args.source = c.source;
    args.gamma = gamma.data();
    args.beta = beta.data();
    args.epsilon = 1e-5f;
    if (seed % 2 == 0) args.clip_lo = -1.25f;
    args.clip_hi = 2.5f;
    args.quantiser = {scale.data(),
                      c.zero == Zero::kNone ? nullptr : zero.data(),
                      c.per,
                      c.multiply,
                      c.zero == Zero::kAfter ? ZeroPointPlace::kAfterRounding
                                             : ZeroPointPlace::kBeforeRounding,
                      codes.lo,
                      codes.hi,
                      codes.step,
                      codes.offset};
  }
  float* Row(size_t r) { return x.As<float>() + r * stride / 4; }

  size_t stride;
  Guarded x;
  std::vector<float> gamma, beta, scale, zero;
  ByteArgs args;

 private:
  // A third of the values are ties of the rounding, or one ulp from one.
  float Value(Random& random, const Case& c, size_t at) const {
    static const float kExtremes[] = {0.0f,       -0.0f,     NAN,
                                      INFINITY,   -INFINITY, 0x1p-149f,
                                      -0x1p-149f, 3e38f,     -3e38f};
    const bool normed = c.source == ByteSource::kLayerNorm;
    if (!normed && random.Below(8) == 0)
      return kExtremes[random.Below(std::size(kExtremes))];
    if (random.Below(3) != 0) return 2 * random.Normal();
    const float tie = static_cast<float>(random.Below(17)) - 8.5f;
    float v = c.multiply ? tie / scale[at] : tie * scale[at];
    for (size_t step = random.Below(2); step != 0; --step)
      v = std::nextafter(v, random.Below(2) == 0 ? 99.0f : -99.0f);
    return v;
  }
};

const ByteKernel& Reference() { return *ByteKernels(DetectCpu()).front(); }

// Codes of rows [row, row + rows), with a row stride larger than a row; 0xC3
// where nothing was written.
struct Output {
  explicit Output(size_t cols) : stride(cols + 5), memory(kRows * stride, 1) {
    memory.Fill(0xC3);
  }
  void Run(const ByteKernel& kernel, ByteArgs args, size_t cols, size_t row,
           size_t rows) {
    args.codes = {memory.As<uint8_t>(), static_cast<ptrdiff_t>(stride), kRows,
                  cols};
    kernel.quantize(args, row, rows);
  }

  size_t stride;
  Guarded memory;
};

size_t CountDifferent(Output& a, Output& b) {
  size_t different = 0;
  for (size_t i = 0; i < kRows * a.stride; ++i)
    different += a.memory.As<uint8_t>()[i] != b.memory.As<uint8_t>()[i];
  return different;
}

TEST_CASE("byte codes equal the reference") {
  for (const auto& target : test::KernelsOnTargets<ByteKernel>(&ByteKernels)) {
    for (const Case& c : Cases()) {
      for (const size_t cols : kLengths) {
        const Codes& codes = kCodes[cols % std::size(kCodes)];
        CAPTURE(target.name, static_cast<int>(c.per), c.multiply,
                static_cast<int>(c.zero), static_cast<int>(c.source), cols);
        Inputs in(c, codes, cols, cols);
        Output expected(cols), got(cols);
        expected.Run(Reference(), in.args, cols, 0, kRows);
        got.Run(*target.kernel, in.args, cols, 0, kRows);
        REQUIRE(got.memory.Intact());
        const bool fused_used = c.source == ByteSource::kLayerNorm ||
                                c.source == ByteSource::kGeluClip;
        REQUIRE(CountDifferent(got, expected) <=
                (target.exact || !fused_used
                     ? 0
                     : kRows * cols / kUnfusedOneIn + 1));
      }
    }
  }
}

TEST_CASE("every range of codes is clamped to") {
  for (const auto& target : test::KernelsOnTargets<ByteKernel>(&ByteKernels)) {
    for (const Codes& codes : kCodes) {
      for (const Zero zero : {Zero::kNone, Zero::kBefore, Zero::kAfter}) {
        CAPTURE(target.name, codes.lo, codes.hi, static_cast<int>(zero));
        const Case c{ScalePer::kRow, false, zero, ByteSource::kPlain};
        Inputs in(c, codes, 197, 3);
        in.scale[1] = 0.0f;
        in.scale[2] = 0x1p-140f;
        in.scale[3] = INFINITY;
        in.scale[5] = NAN;
        Output expected(197), got(197);
        expected.Run(Reference(), in.args, 197, 0, kRows);
        got.Run(*target.kernel, in.args, 197, 0, kRows);
        REQUIRE(CountDifferent(got, expected) == 0);
      }
    }
  }
}

TEST_CASE("only the rows asked for become codes") {
  const Case c{ScalePer::kRow, false, Zero::kBefore, ByteSource::kLayerNorm};
  for (const auto& target : test::KernelsOnTargets<ByteKernel>(&ByteKernels)) {
    CAPTURE(target.name);
    Inputs in(c, kCodes[0], 33, 2);
    Output whole(33), part(33), untouched(33);
    whole.Run(*target.kernel, in.args, 33, 0, kRows);
    part.Run(*target.kernel, in.args, 33, 0, 2);
    part.Run(*target.kernel, in.args, 33, 2, kRows - 2);
    CHECK(CountDifferent(part, whole) == 0);
    part.Run(*target.kernel, in.args, 33, 1, 0);
    CHECK(CountDifferent(part, whole) == 0);
    untouched.Run(*target.kernel, in.args, 33, 3, 1);
    const uint8_t* bytes = untouched.memory.As<uint8_t>();
    for (size_t i = 0; i < kRows * untouched.stride; ++i) {
      const size_t row = i / untouched.stride, col = i % untouched.stride;
      if (row != 3 || col >= 33) REQUIRE(bytes[i] == 0xC3);
    }
  }
}

TEST_CASE("known sums of a row give the same codes") {
  const Case c{ScalePer::kTensor, false, Zero::kNone, ByteSource::kLayerNorm};
  for (const auto& target : test::KernelsOnTargets<ByteKernel>(&ByteKernels)) {
    if (!target.exact) continue;
    CAPTURE(target.name);
    const size_t cols = 197;
    Inputs in(c, kCodes[1], cols, 5);
    std::vector<float> lanes(kRows * 16, 0.0f);
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < cols; ++i) lanes[16 * r + i % 16] += in.Row(r)[i];
    }
    Output expected(cols), got(cols);
    expected.Run(Reference(), in.args, cols, 0, kRows);
    in.args.lane_sums = lanes.data();
    got.Run(*target.kernel, in.args, cols, 0, kRows);
    CHECK(CountDifferent(got, expected) == 0);
    lanes[16] += 40;  // and they are what counts
    got.Run(*target.kernel, in.args, cols, 0, kRows);
    expected.Run(Reference(), in.args, cols, 0, kRows);
    CHECK(CountDifferent(got, expected) == 0);
  }
}

TEST_CASE("levels of bytes equal the reference") {
  for (const auto& target : test::KernelsOnTargets<ByteKernel>(&ByteKernels)) {
    for (const ScalePer per :
         {ScalePer::kTensor, ScalePer::kColumn, ScalePer::kRow}) {
      for (const int flags : {0, 1, 2, 3}) {
        for (const size_t cols : kLengths) {
          CAPTURE(target.name, static_cast<int>(per), flags, cols);
          Random random(cols);
          Guarded codes(kRows * (cols + 3), 1);
          for (size_t i = 0; i < codes.bytes(); ++i)
            codes.As<uint8_t>()[i] = static_cast<uint8_t>(random.Next());
          std::vector<float> scale = random.Normals(cols + kRows),
                             zero = random.Normals(cols + kRows);
          scale[cols / 2] = NAN;
          Guarded expected(kRows * cols * 4, 4), got(kRows * cols * 4, 4);
          ByteLevelArgs args{{codes.As<uint8_t>(),
                              static_cast<ptrdiff_t>(cols + 3), kRows, cols},
                             (flags & 1) != 0,
                             per,
                             scale.data(),
                             (flags & 2) != 0 ? zero.data() : nullptr,
                             expected.As<float>(),
                             static_cast<ptrdiff_t>(cols * 4)};
          Reference().dequantize(args, 0, kRows);
          args.out = got.As<float>();
          target.kernel->dequantize(args, 0, kRows);
          REQUIRE(got.Intact());
          REQUIRE(std::memcmp(got.As<void>(), expected.As<void>(),
                              kRows * cols * 4) == 0);
        }
      }
    }
  }
}

TEST_CASE("row extremes equal the reference") {
  const float specials[] = {NAN,  -NAN,      INFINITY, -INFINITY,
                            0.0f, 0x1p-149f, 3e38f,    -3e38f};
  for (const auto& target : test::KernelsOnTargets<ByteKernel>(&ByteKernels)) {
    for (const size_t cols : kLengths) {
      for (const float special : specials) {
        CAPTURE(target.name, cols, special);
        std::vector<float> values = Random(cols).Normals(kRows * cols);
        for (size_t i = 0; i < cols; ++i) {
          values[2 * cols + i] = special;
          values[3 * cols + i] = i % 2 == 0 ? -0.0f : 0.0f;
        }
        values[cols + cols / 2] = special;
        values[4 * cols + cols - 1] = special;
        Guarded x(kRows * cols * 4, 4);
        std::memcpy(x.As<float>(), values.data(), kRows * cols * 4);
        const FloatRows rows{x.As<float>(), static_cast<ptrdiff_t>(cols * 4),
                             cols};
        float expected[3][kRows], got[3][kRows];
        Reference().row_range(rows, expected[0], expected[1], 0, kRows);
        Reference().row_max_abs(rows, expected[2], 0, kRows);
        target.kernel->row_range(rows, got[0], got[1], 0, kRows);
        target.kernel->row_max_abs(rows, got[2], 0, kRows);
        REQUIRE(std::memcmp(got, expected, sizeof(got)) == 0);
      }
    }
  }
}

TEST_CASE("the definition of a byte code") {
  const float scale = 0.5f, half = 0.5f, two = 2.0f;
  ByteQuantiser q;
  q.scale = &scale;
  q.lo = -8;
  q.hi = 7;
  const auto code = [&](float x) {
    return static_cast<int8_t>(ByteCodeReference(q, 0, 0, x));
  };
  CHECK(code(0.25f) == 0);  // 0.5 rounds to even
  CHECK(code(0.75f) == 2);  // 1.5 too
  CHECK(code(-9.0f) == -8);
  CHECK(code(INFINITY) == 7);
  CHECK(code(NAN) == 0);
  q.zero = &half;
  CHECK(code(0.5f) == 2);  // round(1 + 0.5)
  q.zero = &two;
  q.zero_place = ZeroPointPlace::kAfterRounding;
  CHECK(code(0.25f) == 2);
  CHECK(code(NAN) == 0);
  q.multiply = true;
  CHECK(code(3.0f) == 4);  // round(1.5) + 2
  q = {&scale, nullptr};
  q.hi = 3;
  q.step = 2;
  q.offset = -3;
  CHECK(code(-1.0f) == -3);
  CHECK(code(0.5f) == -1);
  CHECK(code(9.0f) == 3);
}

}  // namespace
}  // namespace bittern::kernels
