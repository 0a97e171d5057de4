// Sliding windows: defaults, automatic padding, one-dimensional forms.
#include "converter/onnx/window.h"

#include <algorithm>

namespace bittern::convert {
namespace {

// Larger values mean nothing for a window and would overflow sums.
constexpr int64_t kMaxWindow = int64_t{1} << 30;

Result<std::vector<int64_t>> ReadList(OnnxNode& node, const char* name,
                                      size_t count, int64_t fallback,
                                      int64_t low) {
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> list, node.Ints(name));
  if (!list) list.emplace(count, fallback);
  if (list->size() != count) {
    return node.Fail(std::string(name) + " has " +
                     std::to_string(list->size()) + " values, expected " +
                     std::to_string(count));
  }
  for (int64_t value : *list) {
    if (value >= low && value <= kMaxWindow) continue;
    return node.Fail(std::string(name) + " has " + std::to_string(value) +
                     ", expected " + std::to_string(low) + " to " +
                     std::to_string(kMaxWindow));
  }
  return *list;
}

// auto_pad SAME: as much padding as makes ceil(size / stride) outputs.
void PadSame(const Shape& input, bool upper, size_t spatial, Window* window) {
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t size = input[i + 2];
    const int64_t stride = window->strides[i];
    const int64_t outputs = (size + stride - 1) / stride;
    const int64_t reach = (window->kernel[i] - 1) * window->dilations[i] + 1;
    const int64_t total =
        std::max<int64_t>((outputs - 1) * stride + reach - size, 0);
    const int64_t small = total / 2;
    window->pads[i] = upper ? small : total - small;
    window->pads[i + spatial] = upper ? total - small : small;
  }
}

void AddLeadingDimension(Window* window) {
  window->kernel.insert(window->kernel.begin(), 1);
  window->strides.insert(window->strides.begin(), 1);
  window->dilations.insert(window->dilations.begin(), 1);
  window->pads = {0, window->pads[0], 0, window->pads[1]};
}

}  // namespace

Result<Window> ReadWindow(OnnxNode& node, const Shape& input,
                          std::vector<int64_t> kernel) {
  if (input.rank() != 3 && input.rank() != 4) {
    return node.FailUnsupported("input has " + std::to_string(input.rank()) +
                                " dimensions, expected 3 or 4");
  }
  const size_t spatial = input.rank() - 2;
  Window window;
  if (kernel.empty() && !node.Has("kernel_shape")) {
    return node.Fail("lacks attribute 'kernel_shape'");
  }
  BITTERN_TRY_ASSIGN(window.kernel,
                     ReadList(node, "kernel_shape", spatial, 0, 0));
  if (!node.Has("kernel_shape")) window.kernel = kernel;
  if (!kernel.empty() && window.kernel != kernel) {
    return node.Fail("kernel_shape differs from the shape of the weight");
  }
  for (int64_t size : window.kernel) {
    if (size >= 1 && size <= kMaxWindow) continue;
    return node.Fail("the kernel has size " + std::to_string(size) +
                     ", expected 1 to " + std::to_string(kMaxWindow));
  }
  BITTERN_TRY_ASSIGN(window.strides, ReadList(node, "strides", spatial, 1, 1));
  BITTERN_TRY_ASSIGN(window.dilations,
                     ReadList(node, "dilations", spatial, 1, 1));
  BITTERN_TRY_ASSIGN(window.pads, ReadList(node, "pads", 2 * spatial, 0, 0));
  BITTERN_TRY_ASSIGN(const std::string mode, node.String("auto_pad", "NOTSET"));
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    PadSame(input, mode == "SAME_UPPER", spatial, &window);
  } else if (mode == "VALID") {
    window.pads.assign(2 * spatial, 0);
  } else if (mode != "NOTSET") {
    return node.Fail("auto_pad is '" + mode.substr(0, 40) +
                     "', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  }
  if (spatial == 1) AddLeadingDimension(&window);
  return window;
}

Result<ValueId> WithTwoSpatial(OnnxNode& node, ValueId id) {
  if (node.ShapeOf(id).rank() != 3) return id;
  return node.Emit("Unsqueeze", {id}, {{"axes", std::vector<int64_t>{2}}});
}

Result<void> AnswerSpatial(OnnxNode& node, const std::string& op,
                           const std::vector<ValueId>& inputs,
                           AttributeMap attributes, size_t spatial) {
  if (spatial == 2) return node.Answer(op, inputs, std::move(attributes));
  BITTERN_TRY_ASSIGN(const ValueId result,
                     node.Emit(op, inputs, std::move(attributes)));
  return node.Answer("Squeeze", {result}, {{"axes", std::vector<int64_t>{2}}});
}

}  // namespace bittern::convert
