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

}  // namespace

Result<Window> ReadWindow(OnnxNode& node, const Shape& input,
                          std::vector<int64_t> kernel) {
  if (input.rank() < 3 || input.rank() > 5) {
    return node.FailUnsupported("input has " + std::to_string(input.rank()) +
                                " dimensions, expected 3 to 5");
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
  return window;
}

Window WithTwoSpatial(const Window& window) {
  return {{1, window.kernel[0]},
          {1, window.strides[0]},
          {1, window.dilations[0]},
          {0, window.pads[0], 0, window.pads[1]}};
}

}  // namespace bittern::convert
