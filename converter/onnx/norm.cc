// Normalisations. LayerNormalization over several dimensions is one over their
// product; BatchNormalization is a multiplication and an addition per channel.
#include <cmath>
#include <numeric>

#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

ValueId SizesOf(OnnxNode& node, const Shape& shape) {
  const std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  return node.graph().AddI64(node.OutputName() + "/shape",
                             {static_cast<int64_t>(dims.size())}, dims);
}

// A parameter as a vector over the normalised dimensions.
Result<ValueId> Flattened(OnnxNode& node, size_t input, const Shape& expected) {
  const ValueId id = node.Input(input);
  const Shape shape = node.ShapeOf(id);
  if (shape != expected) {
    return node.FailUnsupported(
        "input " + std::to_string(input) + " is " + runtime::ToString(shape) +
        ", expected the normalised dimensions " + runtime::ToString(expected));
  }
  if (shape.rank() == 1) return id;
  return node.Emit("Reshape", {id, SizesOf(node, {shape.Elements()})});
}

struct ChannelAffine {
  std::vector<float> scale, offset;
};

// scale = g / sqrt(v + eps), offset = b - m * scale, in double and rounded
// once.
ChannelAffine FoldBatchNorm(const std::vector<float>& gamma,
                            const std::vector<float>& beta,
                            const std::vector<float>& mean,
                            const std::vector<float>& variance, float epsilon) {
  ChannelAffine affine;
  for (size_t i = 0; i < gamma.size(); ++i) {
    const double scale = static_cast<double>(gamma[i]) /
                         std::sqrt(static_cast<double>(variance[i]) +
                                   static_cast<double>(epsilon));
    affine.scale.push_back(static_cast<float>(scale));
    affine.offset.push_back(static_cast<float>(
        static_cast<double>(beta[i]) - static_cast<double>(mean[i]) * scale));
  }
  return affine;
}

// The same with runtime ops, for parameters computed by weight chains.
Result<std::pair<ValueId, ValueId>> EmitBatchNorm(
    OnnxNode& node, const std::vector<ValueId>& parameters, float epsilon) {
  const ValueId gamma = parameters[0];
  const ValueId variance = parameters[3];
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     node.Emit("Add", {variance, node.ScalarF32(epsilon)}));
  BITTERN_TRY_ASSIGN(const ValueId deviation, node.Emit("Sqrt", {sum}));
  BITTERN_TRY_ASSIGN(const ValueId scale, node.Emit("Div", {gamma, deviation}));
  BITTERN_TRY_ASSIGN(const ValueId shift,
                     node.Emit("Mul", {parameters[2], scale}));
  BITTERN_TRY_ASSIGN(const ValueId offset,
                     node.Emit("Sub", {parameters[1], shift}));
  return std::pair(scale, offset);
}

// Outputs 1 and 2 of LayerNormalization: mean and 1 / standard deviation.
Result<void> AnswerStatistics(OnnxNode& node, size_t first, float epsilon) {
  const ValueId x = node.Input(0);
  std::vector<int64_t> axes(node.ShapeOf(x).rank() - first);
  std::iota(axes.begin(), axes.end(), static_cast<int64_t>(first));
  const AttributeMap reduce = {{"axes", axes}, {"keepdims", int64_t{1}}};
  BITTERN_TRY_ASSIGN(const ValueId mean, node.Emit("ReduceMean", {x}, reduce));
  BITTERN_TRY_ASSIGN(const ValueId centred, node.Emit("Sub", {x, mean}));
  BITTERN_TRY_ASSIGN(const ValueId squares,
                     node.Emit("Mul", {centred, centred}));
  BITTERN_TRY_ASSIGN(const ValueId variance,
                     node.Emit("ReduceMean", {squares}, reduce));
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     node.Emit("Add", {variance, node.ScalarF32(epsilon)}));
  BITTERN_TRY_ASSIGN(const ValueId deviation, node.Emit("Sqrt", {sum}));
  BITTERN_TRY_ASSIGN(const ValueId inverse,
                     node.Emit("Reciprocal", {deviation}));
  if (node.WantsOutput(1)) node.AnswerWith(mean, 1);
  if (node.WantsOutput(2)) node.AnswerWith(inverse, 2);
  return {};
}

// [C] as [C, 1, 1...] so that it broadcasts over [N, C, spatial...].
Shape ChannelShape(int64_t channels, size_t input_rank) {
  Shape shape = {channels};
  for (size_t i = 2; i < input_rank; ++i) shape.Append(1);
  return shape;
}

// Before opset 7 a batch was normalised by itself unless is_test was set, and
// before opset 9 spatial=0 kept statistics for each position.
Result<void> CheckOldAttributes(OnnxNode& node) {
  if (node.opset() >= 9) return {};
  node.Ignore("consumed_inputs");
  BITTERN_TRY_ASSIGN(const int64_t is_test,
                     node.Int("is_test", node.opset() < 7 ? 0 : 1));
  BITTERN_TRY_ASSIGN(const int64_t spatial, node.Int("spatial", 1));
  if (is_test != 0 && spatial != 0) return {};
  return node.FailUnsupported("is_test is " + std::to_string(is_test) +
                              " and spatial " + std::to_string(spatial) +
                              ", expected 1 and 1");
}

}  // namespace

Result<void> ImportLayerNormalization(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  node.Ignore("stash_type");  // statistics are computed in f32, its default
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const float epsilon, node.Float("epsilon", 1e-5f));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -1));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, shape.rank(), "axis"));
  const auto first = static_cast<size_t>(axis);
  const Shape normalised(shape.dims().subspan(first));
  if (node.WantsOutput(1) || node.WantsOutput(2)) {
    BITTERN_TRY(AnswerStatistics(node, first, epsilon));
  }
  BITTERN_TRY_ASSIGN(const ValueId gamma, Flattened(node, 1, normalised));
  std::vector<ValueId> inputs = {node.Input(0), gamma};
  if (node.Input(2) != kNone) {
    BITTERN_TRY_ASSIGN(const ValueId beta, Flattened(node, 2, normalised));
    inputs.push_back(beta);
  }
  if (normalised.rank() == 1) {
    return node.Answer("LayerNorm", inputs, {{"epsilon", epsilon}});
  }
  Shape rows(shape.dims().first(first));
  rows.Append(normalised.Elements());
  BITTERN_TRY_ASSIGN(
      inputs[0], node.Emit("Reshape", {node.Input(0), SizesOf(node, rows)}));
  BITTERN_TRY_ASSIGN(const ValueId result,
                     node.Emit("LayerNorm", inputs, {{"epsilon", epsilon}}));
  return node.Answer("Reshape", {result, SizesOf(node, shape)});
}

Result<void> ImportBatchNormalization(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(5, 5));
  BITTERN_TRY(node.ExpectOneOutput());
  node.Ignore("momentum");
  BITTERN_TRY_ASSIGN(const float epsilon, node.Float("epsilon", 1e-5f));
  BITTERN_TRY_ASSIGN(const int64_t training, node.Int("training_mode", 0));
  if (training != 0) {
    return node.FailUnsupported("training_mode is 1, expected 0");
  }
  BITTERN_TRY(CheckOldAttributes(node));
  const ValueId x = node.Input(0);
  const Shape shape = node.ShapeOf(x);
  const int64_t channels = shape.rank() < 2 ? 1 : shape[1];
  std::vector<ValueId> parameters(node.inputs().begin() + 1,
                                  node.inputs().end());
  bool constant = true;
  const TensorType expected = {runtime::DType::kF32, {channels}, {}};
  for (ValueId id : parameters) {
    if (node.TypeOf(id) != expected) {
      return node.Fail("a parameter is " + runtime::ToString(node.TypeOf(id)) +
                       ", expected " + runtime::ToString(expected));
    }
    constant = constant && node.graph().IsConstant(id);
  }
  const Shape channel_shape = ChannelShape(channels, shape.rank());
  ValueId scale = kNone;
  ValueId offset = kNone;
  if (constant) {
    Graph& graph = node.graph();
    const ChannelAffine affine = FoldBatchNorm(
        graph.F32(parameters[0]), graph.F32(parameters[1]),
        graph.F32(parameters[2]), graph.F32(parameters[3]), epsilon);
    scale =
        graph.AddF32(node.OutputName() + "/scale", channel_shape, affine.scale);
    offset = graph.AddF32(node.OutputName() + "/offset", channel_shape,
                          affine.offset);
  } else {
    BITTERN_TRY_ASSIGN(const auto pair,
                       EmitBatchNorm(node, parameters, epsilon));
    const ValueId sizes = SizesOf(node, channel_shape);
    BITTERN_TRY_ASSIGN(scale, node.Emit("Reshape", {pair.first, sizes}));
    BITTERN_TRY_ASSIGN(offset, node.Emit("Reshape", {pair.second, sizes}));
  }
  BITTERN_TRY_ASSIGN(const ValueId scaled, node.Emit("Mul", {x, scale}));
  return node.Answer("Add", {scaled, offset});
}

// Each plane is normalised alone: LayerNorm over the spatial dimensions without
// its affine part, then one factor and one offset per channel.
Result<void> ImportInstanceNormalization(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  BITTERN_TRY_ASSIGN(const float epsilon, node.Float("epsilon", 1e-5f));
  const Shape shape = node.ShapeOf(node.Input(0));
  if (shape.rank() < 3) {
    return node.Fail("input is " + runtime::ToString(shape) +
                     ", expected 3 or more dimensions");
  }
  for (size_t i = 1; i <= 2; ++i) {
    if (node.ShapeOf(node.Input(i)) == Shape{shape[1]}) continue;
    return node.Fail("input " + std::to_string(i) + " is " +
                     runtime::ToString(node.TypeOf(node.Input(i))) +
                     ", expected [" + std::to_string(shape[1]) + "]");
  }
  constexpr int64_t kMaxPlane = int64_t{1} << 24;
  const int64_t plane = Shape(shape.dims().subspan(2)).Elements();
  if (plane > kMaxPlane) {
    return node.FailUnsupported("a plane has " + std::to_string(plane) +
                                " elements, expected at most " +
                                std::to_string(kMaxPlane));
  }
  const ValueId ones =
      node.graph().AddF32(node.OutputName() + "/ones", {plane},
                          std::vector<float>(static_cast<size_t>(plane), 1.0f));
  BITTERN_TRY_ASSIGN(
      const ValueId planes,
      node.Emit("Reshape",
                {node.Input(0), SizesOf(node, {shape[0], shape[1], plane})}));
  BITTERN_TRY_ASSIGN(
      const ValueId normalised,
      node.Emit("LayerNorm", {planes, ones}, {{"epsilon", epsilon}}));
  BITTERN_TRY_ASSIGN(const ValueId restored,
                     node.Emit("Reshape", {normalised, SizesOf(node, shape)}));
  const ValueId sizes = SizesOf(node, ChannelShape(shape[1], shape.rank()));
  BITTERN_TRY_ASSIGN(const ValueId scale,
                     node.Emit("Reshape", {node.Input(1), sizes}));
  BITTERN_TRY_ASSIGN(const ValueId offset,
                     node.Emit("Reshape", {node.Input(2), sizes}));
  BITTERN_TRY_ASSIGN(const ValueId scaled, node.Emit("Mul", {restored, scale}));
  return node.Answer("Add", {scaled, offset});
}

}  // namespace bittern::convert
