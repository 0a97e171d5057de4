// ConvTranspose as Conv: zeros between the inputs (strides), the kernel turned
// round and its channels swapped, and padding that completes it.
#include <algorithm>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"
#include "converter/onnx/window.h"

namespace bittern::convert {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 24;

struct Geometry {  // of the spatial dimensions
  std::vector<int64_t> kernel, strides, dilations, pads, output_padding;
};

Result<std::vector<int64_t>> ReadList(OnnxNode& node, const char* name,
                                      size_t count, int64_t fallback,
                                      int64_t low) {
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> list, node.Ints(name));
  if (!list) list.emplace(count, fallback);
  const bool fits = std::all_of(list->begin(), list->end(), [&](int64_t value) {
    return value >= low && value <= kMaxWindow;
  });
  if (fits && list->size() == count) return *list;
  return node.Fail(std::string(name) + " has " + std::to_string(list->size()) +
                   " values, expected " + std::to_string(count) + " from " +
                   std::to_string(low) + " to 2^24");
}

// Pads that auto_pad or output_shape ask for: what the full result has more.
Result<void> SetPads(OnnxNode& node, const Shape& input, Geometry* g) {
  const size_t spatial = g->kernel.size();
  BITTERN_TRY_ASSIGN(const std::string mode, node.String("auto_pad", "NOTSET"));
  BITTERN_TRY_ASSIGN(const auto wanted, node.Ints("output_shape"));
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (mode != "NOTSET" && mode != "VALID" && !same) {
    return node.Fail("auto_pad is '" + mode.substr(0, 40) +
                     "', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  }
  if (mode == "VALID") g->pads.assign(2 * spatial, 0);
  if (!wanted && !same) return {};
  if (wanted && wanted->size() < spatial) {
    return node.Fail("output_shape has " + std::to_string(wanted->size()) +
                     " values, expected " + std::to_string(spatial));
  }
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t full = g->strides[i] * (input[i + 2] - 1) +
                         g->output_padding[i] +
                         (g->kernel[i] - 1) * g->dilations[i] + 1;
    const int64_t out = wanted ? (*wanted)[wanted->size() - spatial + i]
                               : input[i + 2] * g->strides[i];
    const int64_t total = full - out;
    if (out < 1 || out > kMaxWindow) {
      return node.Fail("output_shape has " + std::to_string(out) +
                       ", expected 1 to 2^24");
    }
    // What is missing is appended, what is too much is cut from both ends.
    if (total < 0) g->output_padding[i] -= total;
    const int64_t cut = std::max<int64_t>(total, 0);
    const int64_t small = cut / 2;
    g->pads[i] = mode == "SAME_UPPER" ? small : cut - small;
    g->pads[i + spatial] = mode == "SAME_UPPER" ? cut - small : small;
  }
  return {};
}

// x with stride - 1 zeros after each element but the last of an axis.
ValueId Spread(Formula& f, ValueId x, size_t axis, int64_t stride) {
  if (stride == 1) return x;
  Shape shape = f.ShapeOf(x);
  x = f.Unsqueeze(x, {static_cast<int64_t>(axis) + 1});
  x = f.Pad(x, axis + 1, 0, stride - 1, 0);
  shape[axis] *= stride;
  x = f.ReshapeTo(x, shape);
  return f.Slice(x, axis, 0, shape[axis] - (stride - 1));
}

// [Cin, Cout / g, ...] -> [Cout, Cin / g, ...], each kernel turned round.
ValueId TurnedWeight(Formula& f, ValueId w, int64_t group) {
  const Shape shape = f.ShapeOf(w);
  std::vector<int64_t> split = {group, shape[0] / group, shape[1]};
  std::vector<int64_t> joined = {group * shape[1], shape[0] / group};
  std::vector<int64_t> perm = {0, 2, 1};
  for (size_t i = 2; i < shape.rank(); ++i) {
    split.push_back(shape[i]);
    joined.push_back(shape[i]);
    perm.push_back(static_cast<int64_t>(i) + 1);
  }
  w = f.Reshape(f.Transpose(f.Reshape(w, split), perm), joined);
  for (size_t i = 2; i < shape.rank(); ++i) {
    w = f.Slice(w, i, -1, INT64_MIN, -1);
  }
  return w;
}

}  // namespace

Result<void> ImportConvTranspose(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  const Shape input = node.ShapeOf(node.Input(0));
  const Shape weight = node.ShapeOf(node.Input(1));
  BITTERN_TRY_ASSIGN(const int64_t group, node.Int("group", 1));
  if (weight.rank() != input.rank() || weight.rank() < 3 || weight.rank() > 5 ||
      weight[0] != input[1] || group < 1 || weight[0] % group != 0 ||
      weight.Elements() == 0 || input.Elements() == 0) {
    return node.Fail("weight is " + runtime::ToString(weight) +
                     " for an input " + runtime::ToString(input) + " and " +
                     std::to_string(group) +
                     " groups, expected as many dimensions, 3 to 5, and the "
                     "input's channels first");
  }
  const size_t spatial = input.rank() - 2;
  Geometry g;
  g.kernel.assign(weight.dims().begin() + 2, weight.dims().end());
  node.Ignore("kernel_shape");  // the weight has it
  BITTERN_TRY_ASSIGN(g.strides, ReadList(node, "strides", spatial, 1, 1));
  BITTERN_TRY_ASSIGN(g.dilations, ReadList(node, "dilations", spatial, 1, 1));
  BITTERN_TRY_ASSIGN(g.pads, ReadList(node, "pads", 2 * spatial, 0, 0));
  BITTERN_TRY_ASSIGN(g.output_padding,
                     ReadList(node, "output_padding", spatial, 0, 0));
  BITTERN_TRY(SetPads(node, input, &g));
  Formula f(node);
  ValueId x = node.Input(0);
  for (size_t i = 0; i < spatial; ++i) {
    x = Spread(f, x, i + 2, g.strides[i]);
    const int64_t reach = (g.kernel[i] - 1) * g.dilations[i];
    const int64_t before = reach - g.pads[i];
    const int64_t after = reach - g.pads[i + spatial] + g.output_padding[i];
    const int64_t size = f.ShapeOf(x)[i + 2];
    if (before < 0 || after < 0) {  // pads that cut into the input
      x = f.Slice(x, i + 2, std::max<int64_t>(-before, 0),
                  size - std::max<int64_t>(-after, 0));
    }
    x = f.Pad(x, i + 2, std::max<int64_t>(before, 0),
              std::max<int64_t>(after, 0), 0);
  }
  BITTERN_TRY(f.Done());
  Convolution convolution;
  convolution.x = x;
  convolution.weight = TurnedWeight(f, node.Input(1), group);
  convolution.bias = node.Input(2);
  convolution.window = {g.kernel, std::vector<int64_t>(spatial, 1), g.dilations,
                        std::vector<int64_t>(2 * spatial, 0)};
  convolution.group = group;
  f.Answer(EmitConvolution(f, convolution));
  return f.Done();
}

}  // namespace bittern::convert
