// Convolution of one to three spatial dimensions.
#include "converter/onnx/handlers.h"
#include "converter/onnx/window.h"

namespace bittern::convert {
namespace {

constexpr int64_t kMaxDepth = 64;  // of a three-dimensional kernel

ValueId EmitPlanar(Formula& f, const Convolution& c) {
  std::vector<ValueId> inputs = {c.x, c.weight};
  if (c.bias != kNone) inputs.push_back(c.bias);
  return f.Op("Conv", inputs,
              {{"strides", c.window.strides},
               {"pads", c.window.pads},
               {"dilations", c.window.dilations},
               {"group", c.group}});
}

// [N, C, D, H, W]: with the depth beside the batch, each slice of the kernel is
// a convolution of planes.
ValueId EmitDeep(Formula& f, const Convolution& c) {
  const Window& w = c.window;
  const Shape input = f.ShapeOf(c.x);
  const int64_t depth = input[2] + w.pads[0] + w.pads[3];
  const int64_t reach = (w.kernel[0] - 1) * w.dilations[0] + 1;
  const int64_t outputs = (depth - reach) / w.strides[0] + 1;
  const ValueId x =
      f.Transpose(f.Pad(c.x, 2, w.pads[0], w.pads[3], 0), {0, 2, 1, 3, 4});
  const Shape kernel = f.ShapeOf(c.weight);
  Convolution plane{kNone, kNone, c.bias, {}, c.group};
  plane.window = {{w.kernel[1], w.kernel[2]},
                  {w.strides[1], w.strides[2]},
                  {w.dilations[1], w.dilations[2]},
                  {w.pads[1], w.pads[2], w.pads[4], w.pads[5]}};
  ValueId sum = kNone;
  for (int64_t k = 0; k < w.kernel[0]; ++k) {
    const int64_t first = k * w.dilations[0];
    plane.x = f.Slice(x, 1, first, first + (outputs - 1) * w.strides[0] + 1,
                      w.strides[0]);
    plane.x =
        f.Reshape(plane.x, {input[0] * outputs, input[1], input[3], input[4]});
    plane.weight = f.Reshape(f.Slice(c.weight, 2, k, k + 1),
                             {kernel[0], kernel[1], kernel[3], kernel[4]});
    const ValueId term = EmitPlanar(f, plane);
    sum = k == 0 ? term : f.Add(sum, term);
    plane.bias = kNone;
  }
  const Shape planes = f.ShapeOf(sum);
  const ValueId split =
      f.Reshape(sum, {input[0], outputs, kernel[0], planes[2], planes[3]});
  return f.Transpose(split, {0, 2, 1, 3, 4});
}

}  // namespace

ValueId EmitConvolution(Formula& f, const Convolution& convolution) {
  const size_t spatial = convolution.window.kernel.size();
  if (spatial == 2) return EmitPlanar(f, convolution);
  if (spatial == 3) return EmitDeep(f, convolution);
  Convolution planar = convolution;
  planar.window = WithTwoSpatial(convolution.window);
  planar.x = f.Unsqueeze(convolution.x, {2});
  planar.weight = f.Unsqueeze(convolution.weight, {2});
  return f.Op("Squeeze", {EmitPlanar(f, planar)},
              {{"axes", std::vector<int64_t>{2}}});
}

Result<void> ImportConv(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  const Shape input = node.ShapeOf(node.Input(0));
  const Shape weight = node.ShapeOf(node.Input(1));
  if (weight.rank() != input.rank() || weight.rank() < 3) {
    return node.Fail("weight is " + runtime::ToString(weight) +
                     " for an input " + runtime::ToString(input) +
                     ", expected as many dimensions, 3 to 5");
  }
  const std::vector<int64_t> kernel(weight.dims().begin() + 2,
                                    weight.dims().end());
  Convolution convolution{node.Input(0), node.Input(1), node.Input(2), {}, 1};
  BITTERN_TRY_ASSIGN(convolution.window, ReadWindow(node, input, kernel));
  BITTERN_TRY_ASSIGN(convolution.group, node.Int("group", 1));
  if (kernel.size() == 3) {
    const Window& w = convolution.window;
    const int64_t depth = input[2] + w.pads[0] + w.pads[3];
    const int64_t reach = (kernel[0] - 1) * w.dilations[0] + 1;
    if (kernel[0] > kMaxDepth || reach > depth) {
      return node.FailUnsupported(
          "the kernel reaches over " + std::to_string(reach) + " of " +
          std::to_string(depth) + " planes, expected at most all and 64 taps");
    }
  }
  Formula f(node);
  f.Answer(EmitConvolution(f, convolution));
  return f.Done();
}

}  // namespace bittern::convert
