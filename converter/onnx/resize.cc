// Resize and Upsample. Every mode is separable: nearest is a Gather along each
// axis that changes, the others are a Resample, whose taps are computed here in
// double and rounded once.
#include <algorithm>
#include <cmath>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

enum class Mode { kNearest, kLinear, kCubic };

struct Style {
  Mode mode = Mode::kNearest;
  std::string transform = "half_pixel", nearest = "round_prefer_floor";
  bool exclude_outside = false, antialias = false;
  double cubic_a = -0.75;
};

struct Axis {
  int64_t in = 0, out = 0;
  double scale = 1;
  double roi_start = 0, roi_end = 1;
};

// Where output `i` lies among the inputs of its axis.
double Place(const Style& style, const Axis& axis, int64_t i) {
  const auto x = static_cast<double>(i);
  const auto in = static_cast<double>(axis.in);
  const double out = axis.scale * in;  // need not be whole
  if (style.transform == "tf_half_pixel_for_nn") return (x + 0.5) / axis.scale;
  if (style.transform == "asymmetric") return x / axis.scale;
  if (style.transform == "align_corners") {
    return out == 1 ? 0 : x * (in - 1) / (out - 1);
  }
  if (style.transform == "tf_crop_and_resize") {
    const double start = axis.roi_start * (in - 1);
    const double length = (axis.roi_end - axis.roi_start) * (in - 1);
    return out == 1 ? start + length / 2 : start + x * length / (out - 1);
  }
  if (style.transform == "pytorch_half_pixel" && axis.out == 1) return 0;
  if (style.transform == "half_pixel_symmetric") {
    const double shift = in / 2 * (1 - static_cast<double>(axis.out) / out);
    return shift + (x + 0.5) / axis.scale - 0.5;
  }
  return (x + 0.5) / axis.scale - 0.5;
}

int64_t Nearest(const Style& style, double x, int64_t size) {
  double index = 0;
  if (style.nearest == "floor") {
    index = std::floor(x);
  } else if (style.nearest == "ceil") {
    index = std::ceil(x);
  } else if (style.nearest == "round_prefer_ceil") {
    index = std::floor(x + 0.5);
  } else {
    index = std::ceil(x - 0.5);
  }
  return static_cast<int64_t>(
      std::clamp(index, 0.0, static_cast<double>(size - 1)));
}

// The kernel of the interpolation at distance `d`.
double Weight(const Style& style, double d) {
  d = std::fabs(d);
  if (style.mode == Mode::kLinear) return std::max(1 - d, 0.0);
  const double a = style.cubic_a;
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

struct Taps {
  int64_t count = 0;             // per output
  std::vector<int64_t> indices;  // [out, count]
  std::vector<float> weights;
};

Taps MakeTaps(const Style& style, const Axis& axis) {
  // Antialiasing widens the kernel when an axis shrinks.
  const double stretch = style.antialias ? std::min(axis.scale, 1.0) : 1.0;
  const double reach = (style.mode == Mode::kLinear ? 1.0 : 2.0) / stretch;
  Taps taps;
  taps.count = 2 * static_cast<int64_t>(std::ceil(reach));
  for (int64_t i = 0; i < axis.out; ++i) {
    const double x = Place(style, axis, i);
    const auto first = static_cast<int64_t>(std::floor(x)) - taps.count / 2 + 1;
    std::vector<double> weights;
    double sum = 0;
    for (int64_t t = 0; t < taps.count; ++t) {
      const int64_t index = first + t;
      const bool outside = index < 0 || index >= axis.in;
      const bool counts =
          !outside || (!style.exclude_outside && !style.antialias);
      weights.push_back(
          counts ? Weight(style, (x - static_cast<double>(index)) * stretch)
                 : 0);
      sum += weights.back();
      taps.indices.push_back(std::clamp<int64_t>(index, 0, axis.in - 1));
    }
    const bool normalise =
        (style.exclude_outside || style.antialias) && sum != 0;
    for (double weight : weights) {
      taps.weights.push_back(
          static_cast<float>(normalise ? weight / sum : weight));
    }
  }
  return taps;
}

Result<Style> ReadStyle(OnnxNode& node) {
  Style style;
  BITTERN_TRY_ASSIGN(const std::string mode, node.String("mode", "nearest"));
  if (mode == "linear" || mode == "bilinear") {
    style.mode = Mode::kLinear;
  } else if (mode == "cubic") {
    style.mode = Mode::kCubic;
  } else if (mode != "nearest") {
    return node.Fail("mode is '" + mode.substr(0, 40) +
                     "', expected 'nearest', 'linear' or 'cubic'");
  }
  if (node.op() == "Upsample" || node.opset() < 11) {
    style.transform = "asymmetric";
    style.nearest = "floor";
    return style;
  }
  BITTERN_TRY_ASSIGN(
      style.transform,
      node.String("coordinate_transformation_mode", "half_pixel"));
  BITTERN_TRY_ASSIGN(style.nearest,
                     node.String("nearest_mode", "round_prefer_floor"));
  BITTERN_TRY_ASSIGN(const float a, node.Float("cubic_coeff_a", -0.75f));
  BITTERN_TRY_ASSIGN(const int64_t exclude, node.Int("exclude_outside", 0));
  BITTERN_TRY_ASSIGN(const int64_t antialias, node.Int("antialias", 0));
  style.cubic_a = static_cast<double>(a);
  style.exclude_outside = exclude != 0;
  style.antialias = antialias != 0;
  constexpr std::string_view kTransforms[] = {
      "half_pixel",          "pytorch_half_pixel",   "align_corners",
      "tf_crop_and_resize",  "half_pixel_symmetric", "asymmetric",
      "tf_half_pixel_for_nn"};
  constexpr std::string_view kNearest[] = {
      "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  if (std::find(std::begin(kTransforms), std::end(kTransforms),
                style.transform) == std::end(kTransforms)) {
    return node.Fail("coordinate_transformation_mode '" +
                     style.transform.substr(0, 40) + "' is not known");
  }
  if (std::find(std::begin(kNearest), std::end(kNearest), style.nearest) ==
      std::end(kNearest)) {
    return node.Fail("nearest_mode '" + style.nearest.substr(0, 40) +
                     "' is not known");
  }
  return style;
}

Result<std::vector<float>> ConstantFloats(OnnxNode& node, ValueId id,
                                          const char* what) {
  if (id == kNone) return std::vector<float>();
  BITTERN_TRY(node.ExpectConstant(id, what));
  return node.graph().F32(id);
}

// Sizes that keep the proportions: one scale for all axes.
void KeepAspectRatio(bool larger, const std::vector<Axis*>& axes) {
  double scale = axes.empty() ? 1 : axes[0]->scale;
  for (const Axis* axis : axes) {
    scale =
        larger ? std::max(scale, axis->scale) : std::min(scale, axis->scale);
  }
  for (Axis* axis : axes) {
    axis->scale = scale;
    axis->out = static_cast<int64_t>(
        std::floor(scale * static_cast<double>(axis->in) + 0.5));
  }
}

// Inputs 1 to 3 of Resize (opset 11 on) are roi, scales and sizes; before, and
// for Upsample, input 1 or an attribute are the scales.
Result<std::vector<Axis>> ReadAxes(OnnxNode& node) {
  const Shape shape = node.ShapeOf(node.Input(0));
  const bool old = node.op() == "Upsample" || node.opset() < 11;
  BITTERN_TRY_ASSIGN(const auto attribute, node.Floats("scales"));
  BITTERN_TRY_ASSIGN(std::vector<float> scales,
                     ConstantFloats(node, node.Input(old ? 1 : 2), "scales"));
  if (attribute) scales = *attribute;
  BITTERN_TRY_ASSIGN(const std::vector<float> roi,
                     ConstantFloats(node, old ? kNone : node.Input(1), "roi"));
  std::vector<int64_t> sizes;
  if (!old && node.Input(3) != kNone) {
    BITTERN_TRY_ASSIGN(sizes, node.ConstantInts(node.Input(3), "sizes"));
  }
  BITTERN_TRY_ASSIGN(const auto listed, node.Ints("axes"));
  BITTERN_TRY_ASSIGN(const std::string policy,
                     node.String("keep_aspect_ratio_policy", "stretch"));
  const size_t count = listed ? listed->size() : shape.rank();
  const bool by_size = scales.empty();
  if ((by_size ? sizes.size() : scales.size()) != count) {
    return node.Fail("has " + std::to_string(scales.size()) + " scales and " +
                     std::to_string(sizes.size()) + " sizes, expected " +
                     std::to_string(count) + " of either");
  }
  std::vector<Axis> axes(shape.rank());
  for (size_t i = 0; i < axes.size(); ++i) axes[i].in = axes[i].out = shape[i];
  constexpr int64_t kLimit = int64_t{1} << 24;
  std::vector<Axis*> resized;
  for (size_t i = 0; i < count; ++i) {
    BITTERN_TRY_ASSIGN(
        const int64_t at,
        node.NormaliseAxis(listed ? (*listed)[i] : static_cast<int64_t>(i),
                           shape.rank(), "an axis"));
    Axis& axis = axes[static_cast<size_t>(at)];
    resized.push_back(&axis);
    const auto in = static_cast<double>(axis.in);
    const double out = by_size
                           ? static_cast<double>(sizes[i])
                           : std::floor(static_cast<double>(scales[i]) * in);
    if (!(out >= 0 && out <= static_cast<double>(kLimit)) || axis.in < 1) {
      return node.Fail("would resize " + std::to_string(axis.in) + " to " +
                       std::to_string(out) +
                       ", expected 1 to 2^24 inputs and "
                       "at most 2^24 outputs");
    }
    axis.out = static_cast<int64_t>(out);
    axis.scale = by_size ? out / in : static_cast<double>(scales[i]);
    if (roi.size() == 2 * count) {
      axis.roi_start = static_cast<double>(roi[i]);
      axis.roi_end = static_cast<double>(roi[i + count]);
    }
  }
  if (by_size && policy != "stretch") {
    KeepAspectRatio(policy == "not_smaller", resized);
  }
  return axes;
}

// Outputs of one axis that lie outside the input get the extrapolation value.
ValueId Extrapolated(Formula& f, const Style& style, const Axis& axis, size_t i,
                     ValueId x, float value) {
  const size_t rank = f.ShapeOf(x).rank();
  std::vector<float> outside;
  for (int64_t j = 0; j < axis.out; ++j) {
    const double place = Place(style, axis, j);
    const bool inside = place >= 0 && place <= static_cast<double>(axis.in - 1);
    outside.push_back(inside ? 0.0f : 1.0f);
  }
  Shape along;
  for (size_t d = 0; d < rank; ++d) along.Append(d == i ? axis.out : 1);
  const ValueId mask = f.Op("Greater", {f.Floats(along, outside), f.F32(0.5f)});
  return f.Where(mask, f.Cast(f.F32(value), f.DTypeOf(x)), x);
}

ValueId ResizedAxis(Formula& f, const Style& style, const Axis& axis, size_t i,
                    ValueId x) {
  const auto position = static_cast<int64_t>(i);
  if (style.mode == Mode::kNearest) {
    std::vector<int64_t> indices;
    for (int64_t j = 0; j < axis.out; ++j) {
      indices.push_back(Nearest(style, Place(style, axis, j), axis.in));
    }
    return f.Op("Gather", {x, f.Ints(indices)}, {{"axis", position}});
  }
  const Taps taps = MakeTaps(style, axis);
  const Shape shape{axis.out, taps.count};
  return f.Op("Resample",
              {x, f.ReshapeTo(f.Ints(taps.indices), shape),
               f.Floats(shape, taps.weights)},
              {{"axis", position}});
}

}  // namespace

Result<void> ImportResize(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 4));
  BITTERN_TRY_ASSIGN(const Style style, ReadStyle(node));
  BITTERN_TRY_ASSIGN(const std::vector<Axis> axes, ReadAxes(node));
  BITTERN_TRY_ASSIGN(const float extrapolation,
                     node.Float("extrapolation_value", 0));
  const bool crops = style.transform == "tf_crop_and_resize";
  const DType dtype = node.TypeOf(node.Input(0)).dtype;
  Formula f(node);
  ValueId x = node.Input(0);
  if (style.mode != Mode::kNearest) x = f.Cast(x, DType::kF32);
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis& axis = axes[i];
    if (axis.in == axis.out && axis.scale == 1 &&
        (!crops || (axis.roi_start == 0 && axis.roi_end == 1))) {
      continue;
    }
    x = ResizedAxis(f, style, axis, i, x);
  }
  for (size_t i = 0; crops && i < axes.size(); ++i) {
    x = Extrapolated(f, style, axes[i], i, x, extrapolation);
  }
  if (dtype != f.DTypeOf(x)) x = f.Cast(f.Op("Round", {x}), dtype);
  f.Answer(x);
  return f.Done();
}

}  // namespace bittern::convert
