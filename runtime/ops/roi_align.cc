// RoiAlign: each region [x1, y1, x2, y2] of an image of x (NCHW) as a grid of
// bins, each the average (or maximum) of bilinear samples spread evenly over
// it. With "max" a sample is the largest of its four weighted corners, as ONNX
// defines it. A region that reaches far outside is sampled at most once per
// pixel of the image's side and bin; a batch index out of range is clamped.
#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

constexpr int64_t kMaxSide = int64_t{1} << 24;
constexpr int64_t kMaxRatio = 16;  // bounds the work of one bin

// One axis of one region.
struct Span {
  float start, bin;
  int64_t samples;  // per bin

  float At(int64_t output, int64_t sample) const {
    return start + static_cast<float>(output) * bin +
           (static_cast<float>(sample) + 0.5f) * bin /
               static_cast<float>(samples);
  }
};

// A coordinate between two pixels; `inside` is false more than one pixel off.
struct Place {
  bool inside;
  int64_t low, high;
  float weight;  // of `high`
};

Place PlaceOf(float at, int64_t size) {
  if (!(at >= -1.0f && at <= static_cast<float>(size))) return {};
  at = std::max(at, 0.0f);
  const auto low = std::min(static_cast<int64_t>(at), size - 1);
  if (low == size - 1) return {true, low, low, 0.0f};
  return {true, low, low + 1, at - static_cast<float>(low)};
}

class RoiAlignOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    BITTERN_TRY(CheckType(context, 1, "rois", kF32Only));
    in_ = context.inputs[0].type.shape;
    const Shape& rois = context.inputs[1].type.shape;
    if (in_.rank() != 4 || in_.Elements() == 0 || in_[2] > kMaxSide ||
        in_[3] > kMaxSide) {
      return WrongInput(context, 0, "x",
                        "rank 4 (NCHW), not empty, with sides up to 2^24");
    }
    if (rois.rank() != 2 || rois[1] != 4) {
      return WrongInput(context, 1, "rois", "[regions,4]");
    }
    BITTERN_TRY(
        CheckIs(context, 2, "batch_indices", DType::kI64, Shape{rois[0]}));
    height_ = context.Int("output_height", 1);
    width_ = context.Int("output_width", 1);
    ratio_ = context.Int("sampling_ratio", 0);
    for (const auto& [name, value, low, high] :
         {std::tuple("output_height", height_, 1, kMaxSide),
          std::tuple("output_width", width_, 1, kMaxSide),
          std::tuple("sampling_ratio", ratio_, 0, kMaxRatio)}) {
      if (value < low || value > high) {
        return WrongAttribute(
            context, name, std::to_string(value),
            std::to_string(low) + " to " + std::to_string(high));
      }
    }
    regions_ = static_cast<size_t>(rois[0]);
    scale_ = context.Float("spatial_scale", 1);
    half_pixel_ = context.Int("half_pixel", 1) != 0;
    max_ = context.Int("max", 0) != 0;
    return SetOutput(context, 0, DType::kF32,
                     Shape{rois[0], in_[1], height_, width_});
  }

  void Run(const RunContext& context) const noexcept override {
    context.pool->For(regions_, 1, [&](size_t, size_t begin, size_t end) {
      for (size_t r = begin; r < end; ++r) Region(context, r);
    });
  }

 private:
  Span SpanOf(float from, float to, int64_t bins, int64_t size) const {
    const float offset = half_pixel_ ? 0.5f : 0.0f;
    Span span{from * scale_ - offset, 0, ratio_};
    float extent = to * scale_ - offset - span.start;
    if (!half_pixel_) extent = std::max(extent, 1.0f);
    span.bin = extent / static_cast<float>(bins);
    if (ratio_ == 0) {
      const float wanted = std::ceil(span.bin);
      span.samples = wanted >= 1 ? static_cast<int64_t>(std::min(
                                       wanted, static_cast<float>(size + 1)))
                                 : 0;
    }
    return span;
  }

  float Bin(const float* plane, const Span& ys, const Span& xs, int64_t i,
            int64_t j) const {
    float result = 0;
    bool first = true;
    for (int64_t a = 0; a < ys.samples; ++a) {
      const Place y = PlaceOf(ys.At(i, a), in_[2]);
      for (int64_t b = 0; b < xs.samples; ++b) {
        const Place x = PlaceOf(xs.At(j, b), in_[3]);
        const float sample = y.inside && x.inside ? Corners(plane, y, x) : 0.0f;
        if (max_) {
          result = first ? sample : std::max(result, sample);
        } else {
          result += sample;
        }
        first = false;
      }
    }
    const int64_t count = std::max<int64_t>(ys.samples * xs.samples, 1);
    return CanonicalNan(max_ ? result : result / static_cast<float>(count));
  }

  float Corners(const float* plane, const Place& y, const Place& x) const {
    const float* low = plane + y.low * in_[3];
    const float* high = plane + y.high * in_[3];
    const std::array<float, 4> corners = {
        (1 - y.weight) * (1 - x.weight) * low[x.low],
        (1 - y.weight) * x.weight * low[x.high],
        y.weight * (1 - x.weight) * high[x.low],
        y.weight * x.weight * high[x.high]};
    if (max_) return *std::max_element(corners.begin(), corners.end());
    return corners[0] + corners[1] + corners[2] + corners[3];
  }

  void Region(const RunContext& context, size_t r) const {
    const float* roi = RunInput<float>(context, 1) + 4 * r;
    const int64_t image =
        std::clamp<int64_t>(RunInput<int64_t>(context, 2)[r], 0, in_[0] - 1);
    const Span xs = SpanOf(roi[0], roi[2], width_, in_[3]);
    const Span ys = SpanOf(roi[1], roi[3], height_, in_[2]);
    const int64_t plane = in_[2] * in_[3];
    const float* x = RunInput<float>(context, 0) + image * in_[1] * plane;
    float* out = RunOutput<float>(context, 0) +
                 static_cast<int64_t>(r) * in_[1] * height_ * width_;
    for (int64_t c = 0; c < in_[1]; ++c) {
      for (int64_t i = 0; i < height_; ++i) {
        for (int64_t j = 0; j < width_; ++j) {
          *out++ = Bin(x + c * plane, ys, xs, i, j);
        }
      }
    }
  }

  Shape in_;
  size_t regions_ = 0;
  int64_t height_ = 1, width_ = 1, ratio_ = 0;
  float scale_ = 1;
  bool half_pixel_ = true, max_ = false;
};

constexpr AttributeSpec kAttributes[] = {
    {"output_height", AttributeKind::kInt, true},
    {"output_width", AttributeKind::kInt, true},
    {"sampling_ratio", AttributeKind::kInt, false},
    {"spatial_scale", AttributeKind::kFloat, false},
    {"half_pixel", AttributeKind::kInt, false},
    {"max", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kRoiAlignOp =
    SimpleOpInfo("RoiAlign", 3, 3, kAttributes, &CreateOp<RoiAlignOp>);

}  // namespace bittern::runtime
