// Normalisations that the runtime has no operator for: over groups of channels,
// over neighbouring channels, by the mean square, and by mean and variance.
#include <numeric>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

// [C] or [C, 1, ...]: one value for each channel of [N, C, ...].
std::vector<int64_t> ChannelDims(const Shape& x) {
  std::vector<int64_t> dims(x.rank() - 1, 1);
  dims[0] = x[1];
  return dims;
}

}  // namespace

// x / (bias + alpha / size * sum of squares of `size` channels)^beta. The mean
// of the squares is an average pooling along the channels.
Result<void> ImportLrn(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  const Shape shape = node.ShapeOf(x);
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 0.0001f));
  BITTERN_TRY_ASSIGN(const float beta, node.Float("beta", 0.75f));
  BITTERN_TRY_ASSIGN(const float bias, node.Float("bias", 1));
  BITTERN_TRY_ASSIGN(const int64_t size, node.Int("size", 0));
  if (shape.rank() < 3 || size < 1 || size > (int64_t{1} << 24)) {
    return node.Fail("input is " + runtime::ToString(shape) + " with size " +
                     std::to_string(size) +
                     ", expected 3 or more dimensions and 1 to 2^24");
  }
  Formula f(node);
  const int64_t plane = Shape(shape.dims().subspan(2)).Elements();
  const ValueId squares =
      f.Reshape(f.Mul(x, x), {shape[0], 1, shape[1], plane});
  const ValueId means =
      f.Op("AveragePool", {squares},
           {{"kernel", std::vector<int64_t>{size, 1}},
            {"pads", std::vector<int64_t>{(size - 1) / 2, 0, size / 2, 0}},
            {"count_include_pad", int64_t{1}}});
  const ValueId base =
      f.Add(f.Mul(f.ReshapeTo(means, shape), f.F32(alpha)), f.F32(bias));
  f.Answer(f.Div(x, f.Op("Pow", {base, f.F32(beta)})));
  return f.Done();
}

// (x - mean) / standard deviation over `axes`.
Result<void> ImportMeanVarianceNormalization(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> axes,
                     node.Axes(1, node.ShapeOf(x).rank()));
  if (!axes) axes = std::vector<int64_t>{0, 2, 3};
  Formula f(node);
  const ValueId centred = f.Sub(x, f.Reduce("ReduceMean", x, *axes, true));
  const ValueId variance =
      f.Reduce("ReduceMean", f.Mul(centred, centred), *axes, true);
  const ValueId deviation = f.Op("Sqrt", {variance});
  f.Answer(f.Div(centred, f.Add(deviation, f.F32(1e-9f))));
  return f.Done();
}

// Each group of channels is normalised as one row. Up to opset 20 scale and
// bias count the groups, then the channels.
Result<void> ImportGroupNormalization(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  node.Ignore("stash_type");
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const float epsilon, node.Float("epsilon", 1e-5f));
  BITTERN_TRY_ASSIGN(const int64_t groups, node.Int("num_groups", 0));
  if (shape.rank() < 3 || groups < 1 || shape[1] % groups != 0 ||
      shape.Elements() == 0) {
    return node.Fail("input is " + runtime::ToString(shape) + " with " +
                     std::to_string(groups) +
                     " groups, expected 3 or more dimensions and a divisor of "
                     "the channels");
  }
  Formula f(node);
  const int64_t row = shape.Elements() / shape[0] / groups;
  const ValueId rows = f.Reshape(node.Input(0), {shape[0], groups, row});
  const ValueId ones = f.Expand(f.F32(1), {row});
  ValueId x = f.ReshapeTo(
      f.Op("LayerNorm", {rows, ones}, {{"epsilon", epsilon}}), shape);
  for (size_t i = 1; i <= 2; ++i) {
    ValueId affine = node.Input(i);
    if (node.ShapeOf(affine) == Shape{groups} && groups != shape[1]) {
      const int64_t each = shape[1] / groups;
      affine = f.Expand(f.Reshape(affine, {groups, 1}), {groups, each});
      affine = f.Reshape(affine, {shape[1]});
    }
    affine = f.Reshape(affine, ChannelDims(shape));
    x = f.Op(i == 1 ? "Mul" : "Add", {x, affine});
  }
  f.Answer(x);
  return f.Done();
}

// x / sqrt(mean(x^2) + epsilon) * scale, over the dimensions from `axis` on.
Result<void> ImportRmsNormalization(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  node.Ignore("stash_type");  // f32, its default
  const ValueId x = node.Input(0);
  const size_t rank = node.ShapeOf(x).rank();
  BITTERN_TRY_ASSIGN(const float epsilon, node.Float("epsilon", 1e-5f));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -1));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, rank, "axis"));
  std::vector<int64_t> axes(rank - static_cast<size_t>(axis));
  std::iota(axes.begin(), axes.end(), axis);
  Formula f(node);
  const ValueId mean = f.Reduce("ReduceMean", f.Mul(x, x), axes, true);
  const ValueId root = f.Op("Sqrt", {f.Add(mean, f.F32(epsilon))});
  f.Answer(f.Mul(f.Div(x, root), node.Input(1)));
  return f.Done();
}

// x divided by the 1- or 2-norm along an axis; 0 where that is 0.
Result<void> ImportLpNormalization(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const int64_t p, node.Int("p", 2));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -1));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, node.ShapeOf(x).rank(), "axis"));
  if (p != 1 && p != 2) {
    return node.Fail("p is " + std::to_string(p) + ", expected 1 or 2");
  }
  Formula f(node);
  const ValueId sum = f.Reduce(
      "ReduceSum", p == 1 ? f.Op("Abs", {x}) : f.Mul(x, x), {axis}, true);
  const ValueId norm = p == 1 ? sum : f.Op("Sqrt", {sum});
  const ValueId none = f.Op("Equal", {norm, f.F32(0)});
  f.Answer(f.Where(none, f.F32(0), f.Div(x, norm)));
  return f.Done();
}

}  // namespace bittern::convert
