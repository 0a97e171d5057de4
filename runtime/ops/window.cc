#include "runtime/ops/window.h"

namespace bittern::runtime {
namespace {

constexpr int64_t kMaxSize =
    int64_t{1}
    << 24;  // of kernels, strides, pads: products of three stay below 2^63

Result<void> CheckList(const InferContext& context, const char* name,
                       size_t count, int64_t low) {
  const auto values = context.Ints(name);
  if (values.empty()) return {};
  if (values.size() != count) {
    return WrongAttribute(context, name,
                          std::to_string(values.size()) + " values",
                          std::to_string(count));
  }
  for (int64_t value : values) {
    if (value < low || value > kMaxSize) {
      return WrongAttribute(context, name, std::to_string(value),
                            std::to_string(low) + " to 2^24");
    }
  }
  return {};
}

Result<void> SetOut(const InferContext& context, bool ceil, WindowAxis& axis) {
  const int64_t extent = (axis.kernel - 1) * axis.dilation + 1;
  const int64_t room = axis.in + axis.pad_before + axis.pad_after - extent;
  if (axis.in < 1 || room < 0) {
    return context.Fail("window: got an extent of " + std::to_string(extent) +
                        ", expected at most the padded input, " +
                        std::to_string(room + extent));
  }
  axis.out = room / axis.stride + 1;
  // With `ceil` a last window may reach past the padding, if it starts before
  // that.
  if (ceil && room % axis.stride != 0 &&
      axis.out * axis.stride < axis.in + axis.pad_before)
    ++axis.out;
  return {};
}

}  // namespace

kernels::ConvAxis AxisOf(const WindowAxis& axis) {
  return {
      static_cast<size_t>(axis.in),       static_cast<size_t>(axis.out),
      static_cast<size_t>(axis.kernel),   static_cast<size_t>(axis.stride),
      static_cast<size_t>(axis.dilation), static_cast<size_t>(axis.pad_before)};
}

Result<Window> MakeWindow(const InferContext& context, const Shape& in,
                          int64_t kernel_h, int64_t kernel_w, bool ceil) {
  BITTERN_TRY(CheckList(context, "strides", 2, 1));
  BITTERN_TRY(CheckList(context, "dilations", 2, 1));
  BITTERN_TRY(CheckList(context, "pads", 4, 0));
  if (in.rank() != 4)
    return context.Fail("input x: got " + ToString(in) +
                        ", expected rank 4 (NCHW)");
  if (kernel_h < 1 || kernel_w < 1 || kernel_h > kMaxSize ||
      kernel_w > kMaxSize || in[2] > kMaxSize || in[3] > kMaxSize) {
    return context.Fail("window: got " + std::to_string(kernel_h) + "x" +
                        std::to_string(kernel_w) + " over " + ToString(in) +
                        ", expected sizes of 1 to 2^24");
  }
  const auto strides = context.Ints("strides"),
             dilations = context.Ints("dilations"), pads = context.Ints("pads");
  const auto axis = [&](size_t i, int64_t kernel) {
    return WindowAxis{in[2 + i],
                      0,
                      kernel,
                      strides.empty() ? 1 : strides[i],
                      dilations.empty() ? 1 : dilations[i],
                      pads.empty() ? 0 : pads[i],
                      pads.empty() ? 0 : pads[2 + i]};
  };
  Window window{axis(0, kernel_h), axis(1, kernel_w)};
  BITTERN_TRY(SetOut(context, ceil, window.h));
  BITTERN_TRY(SetOut(context, ceil, window.w));
  return window;
}

}  // namespace bittern::runtime
