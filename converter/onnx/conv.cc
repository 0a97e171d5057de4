// Convolution of one or two spatial dimensions.
#include "converter/onnx/handlers.h"
#include "converter/onnx/window.h"

namespace bittern::convert {

Result<void> ImportConv(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  const Shape input = node.ShapeOf(node.Input(0));
  const Shape weight = node.ShapeOf(node.Input(1));
  if (weight.rank() != input.rank() || weight.rank() < 3) {
    return node.Fail("weight is " + runtime::ToString(weight) +
                     " for an input " + runtime::ToString(input) +
                     ", expected as many dimensions, 3 or 4");
  }
  const std::vector<int64_t> kernel(weight.dims().begin() + 2,
                                    weight.dims().end());
  BITTERN_TRY_ASSIGN(const Window window, ReadWindow(node, input, kernel));
  BITTERN_TRY_ASSIGN(const int64_t group, node.Int("group", 1));
  BITTERN_TRY_ASSIGN(const ValueId x, WithTwoSpatial(node, node.Input(0)));
  BITTERN_TRY_ASSIGN(const ValueId w, WithTwoSpatial(node, node.Input(1)));
  std::vector<ValueId> inputs = {x, w};
  if (node.Input(2) != kNone) inputs.push_back(node.Input(2));
  return AnswerSpatial(node, "Conv", inputs,
                       {{"strides", window.strides},
                        {"pads", window.pads},
                        {"dilations", window.dilations},
                        {"group", group}},
                       input.rank() - 2);
}

}  // namespace bittern::convert
