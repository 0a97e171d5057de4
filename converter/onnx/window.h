// Strides, dilations and pads of convolutions and poolings, made explicit.
#pragma once

#include <cstdint>
#include <vector>

#include "converter/onnx/node.h"

namespace bittern::convert {

struct Window {                 // of two spatial dimensions
  std::vector<int64_t> kernel;  // [h, w]
  std::vector<int64_t> strides, dilations;
  std::vector<int64_t> pads;  // [top, left, bottom, right]
};

// Reads kernel_shape, strides, dilations, pads and auto_pad for an input
// [N, C, spatial...] of one or two spatial dimensions; one becomes two with a
// leading dimension of size 1. `kernel` is the weight's spatial shape, or empty
// if only the attribute gives it.
Result<Window> ReadWindow(OnnxNode& node, const Shape& input,
                          std::vector<int64_t> kernel);

// [N, C, L] -> [N, C, 1, L]; four dimensions stay.
Result<ValueId> WithTwoSpatial(OnnxNode& node, ValueId id);

// Answers with a pooling or convolution of WithTwoSpatial inputs, undoing that.
Result<void> AnswerSpatial(OnnxNode& node, const std::string& op,
                           const std::vector<ValueId>& inputs,
                           AttributeMap attributes, size_t spatial);

}  // namespace bittern::convert
