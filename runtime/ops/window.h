// A sliding window over the two spatial dimensions of NCHW: what Conv and the
// pools share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv/conv.h"
#include "runtime/ops/infer.h"

namespace bittern::runtime {

struct WindowAxis {
  int64_t in, out;
  int64_t kernel, stride, dilation;
  int64_t pad_before, pad_after;
};

struct Window {
  WindowAxis h, w;
};

// The same for kernels.
kernels::ConvAxis AxisOf(const WindowAxis& axis);

// From the attributes strides, pads (h and w before, h and w after), dilations
// (each may be absent) and `ceil`, for an input of rank 4 and kernel sizes that
// the caller read.
Result<Window> MakeWindow(const InferContext& context, const Shape& in,
                          int64_t kernel_h, int64_t kernel_w, bool ceil);

}  // namespace bittern::runtime
