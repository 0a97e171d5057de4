// Strides, dilations and pads of convolutions and poolings, made explicit.
#pragma once

#include <cstdint>
#include <vector>

#include "converter/onnx/formula.h"
#include "converter/onnx/node.h"

namespace bittern::convert {

struct Window {  // of one to three spatial dimensions
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides, dilations;
  std::vector<int64_t> pads;  // all begins, then all ends
};

// Reads kernel_shape, strides, dilations, pads and auto_pad for an input
// [N, C, spatial...] of one to three spatial dimensions. `kernel` is the
// weight's spatial shape, or empty if only the attribute gives it.
Result<Window> ReadWindow(OnnxNode& node, const Shape& input,
                          std::vector<int64_t> kernel);

// Of one spatial dimension: the same with a leading one of size 1.
Window WithTwoSpatial(const Window& window);

struct Convolution {
  ValueId x = kNone, weight = kNone, bias = kNone;
  Window window;
  int64_t group = 1;
};

// The runtime's Conv has two spatial dimensions: one becomes two, and three are
// a sum over the depth of the kernel.
ValueId EmitConvolution(Formula& f, const Convolution& convolution);

}  // namespace bittern::convert
