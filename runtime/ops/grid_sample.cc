// GridSample: samples x (NCHW) at the places that a grid [N, Ho, Wo, 2] of
// (x, y) in -1..1 names.
//   out[n][c][i][j] = sum over the taps of wy * wx * x[n][c][yt][xt]
// rows of taps ascending, each row summed first. A place that is NaN counts as
// far outside.
#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

enum class Mode : uint8_t { kNearest, kBilinear, kBicubic };
enum class Padding : uint8_t { kZeros, kBorder, kReflection };

constexpr int64_t kMaxSide = int64_t{1} << 24;  // exact in f32

// The taps of one coordinate: indices (-1: a zero) and their weights.
struct Taps {
  int count = 0;
  std::array<int64_t, 4> index{};
  std::array<float, 4> weight{};
};

// Mirrors `x` into [low, high].
double Reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double rest = std::fmod(std::fabs(x - low), 2 * range);
  return low + (rest > range ? 2 * range - rest : rest);
}

// Keys' cubic convolution with a = -0.75 at the distances of the four taps.
std::array<float, 4> CubicWeights(double t) {
  constexpr double a = -0.75;
  const auto near = [](double d) {
    return ((a + 2) * d - (a + 3)) * d * d + 1;
  };
  const auto far = [](double d) {
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  };
  return {static_cast<float>(far(1 + t)), static_cast<float>(near(t)),
          static_cast<float>(near(1 - t)), static_cast<float>(far(2 - t))};
}

struct Axis {
  int64_t size;
  bool align_corners;
  Mode mode;
  Padding padding;

  double Low() const { return align_corners ? 0 : -0.5; }
  double High() const {
    return static_cast<double>(size) - (align_corners ? 1 : 0.5);
  }

  int64_t Resolve(int64_t index) const {
    if (index >= 0 && index < size) return index;
    if (padding == Padding::kZeros) return -1;
    if (padding == Padding::kReflection) {
      index = static_cast<int64_t>(
          Reflect(static_cast<double>(index), Low(), High()));
    }
    return std::clamp<int64_t>(index, 0, size - 1);
  }

  Taps At(float place) const {
    const auto extent = static_cast<double>(size);
    double x = align_corners ? (place + 1.0) / 2 * (extent - 1)
                             : ((place + 1.0) * extent - 1) / 2;
    if (mode == Mode::kNearest) x = std::nearbyint(x);
    if (padding == Padding::kBorder) x = std::clamp(x, 0.0, extent - 1);
    if (padding == Padding::kReflection && !(x >= Low() && x <= High())) {
      x = Reflect(x, Low(), High());
    }
    // Bounded before it becomes an integer; NaN goes to the low end.
    x = x > -4 ? std::min(x, extent + 4) : -4.0;
    Taps taps;
    if (mode == Mode::kNearest) {
      taps = {1, {Resolve(static_cast<int64_t>(std::nearbyint(x)))}, {1.0f}};
      return taps;
    }
    const double floor = std::floor(x);
    const auto first = static_cast<int64_t>(floor);
    const double t = x - floor;
    if (mode == Mode::kBilinear) {
      taps = {2,
              {Resolve(first), Resolve(first + 1)},
              {static_cast<float>(1 - t), static_cast<float>(t)}};
      return taps;
    }
    taps.count = 4;
    taps.weight = CubicWeights(t);
    for (int i = 0; i < 4; ++i) {
      taps.index[static_cast<size_t>(i)] = Resolve(first - 1 + i);
    }
    return taps;
  }
};

float Sample(const float* plane, int64_t width, const Taps& y, const Taps& x) {
  float sum = 0;
  for (size_t i = 0; i < static_cast<size_t>(y.count); ++i) {
    if (y.index[i] < 0) continue;
    const float* row = plane + y.index[i] * width;
    float row_sum = 0;
    for (size_t j = 0; j < static_cast<size_t>(x.count); ++j) {
      if (x.index[j] >= 0) row_sum += x.weight[j] * row[x.index[j]];
    }
    sum += y.weight[i] * row_sum;
  }
  return CanonicalNan(sum);
}

class GridSampleOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    BITTERN_TRY(CheckType(context, 1, "grid", kF32Only));
    const Shape& in = context.inputs[0].type.shape;
    const Shape& grid = context.inputs[1].type.shape;
    if (in.rank() != 4 || in[2] < 1 || in[3] < 1 || in[2] > kMaxSide ||
        in[3] > kMaxSide) {
      return WrongInput(context, 0, "x",
                        "rank 4 (NCHW) with sides of 1 to 2^24");
    }
    if (grid.rank() != 4 || grid[0] != in[0] || grid[3] != 2) {
      return WrongInput(context, 1, "grid",
                        "[" + std::to_string(in[0]) + ",height,width,2]");
    }
    const std::string_view mode = context.String("mode", "bilinear");
    const std::string_view padding = context.String("padding_mode", "zeros");
    if (mode != "nearest" && mode != "bilinear" && mode != "bicubic") {
      return WrongAttribute(context, "mode", "\"" + std::string(mode) + "\"",
                            "nearest, bilinear or bicubic");
    }
    if (padding != "zeros" && padding != "border" && padding != "reflection") {
      return WrongAttribute(context, "padding_mode",
                            "\"" + std::string(padding) + "\"",
                            "zeros, border or reflection");
    }
    y_ = {in[2], context.Int("align_corners", 0) != 0,
          mode == "nearest"    ? Mode::kNearest
          : mode == "bilinear" ? Mode::kBilinear
                               : Mode::kBicubic,
          padding == "zeros"    ? Padding::kZeros
          : padding == "border" ? Padding::kBorder
                                : Padding::kReflection};
    x_ = y_;
    x_.size = in[3];
    channels_ = static_cast<size_t>(in[1]);
    places_ = static_cast<size_t>(grid[1] * grid[2]);
    const Shape out{in[0], in[1], grid[1], grid[2]};
    BITTERN_TRY(SetOutput(context, 0, DType::kF32, out));
    batches_ = static_cast<size_t>(in[0]);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* grid = RunInput<float>(context, 1);
    auto* out = RunOutput<float>(context, 0);
    const auto plane = static_cast<size_t>(y_.size * x_.size);
    context.pool->For(
        batches_ * places_, Grain(channels_, 32),
        [&](size_t, size_t begin, size_t end) {
          for (size_t p = begin; p < end; ++p) {
            const Taps x = x_.At(grid[2 * p]), y = y_.At(grid[2 * p + 1]);
            const size_t n = p / places_;
            for (size_t c = n * channels_; c < (n + 1) * channels_; ++c) {
              out[c * places_ + p % places_] = Sample(
                  RunInput<float>(context, 0) + c * plane, x_.size, y, x);
            }
          }
        });
  }

 private:
  Axis x_{}, y_{};
  size_t batches_ = 0, channels_ = 0, places_ = 0;
};

constexpr AttributeSpec kAttributes[] = {
    {"mode", AttributeKind::kString, false},
    {"padding_mode", AttributeKind::kString, false},
    {"align_corners", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kGridSampleOp =
    SimpleOpInfo("GridSample", 2, 2, kAttributes, &CreateOp<GridSampleOp>);

}  // namespace bittern::runtime
