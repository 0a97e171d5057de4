// Pooling over windows and over whole planes.
#include <algorithm>
#include <numeric>

#include "converter/onnx/handlers.h"
#include "converter/onnx/window.h"

namespace bittern::convert {

Result<void> ImportPool(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY(node.ExpectOneOutput());
  const Shape input = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const Window window, ReadWindow(node, input, {}));
  BITTERN_TRY_ASSIGN(const int64_t ceil_mode, node.Int("ceil_mode", 0));
  node.Ignore("storage_order");  // only orders the second output, the indices
  const bool dilated =
      std::any_of(window.dilations.begin(), window.dilations.end(),
                  [](int64_t d) { return d != 1; });
  if (dilated) return node.FailUnsupported("dilations differ from 1");
  AttributeMap attributes = {{"kernel", window.kernel},
                             {"strides", window.strides},
                             {"pads", window.pads},
                             {"ceil_mode", int64_t{ceil_mode != 0}}};
  if (node.op() == "AveragePool") {
    BITTERN_TRY_ASSIGN(const int64_t include, node.Int("count_include_pad", 0));
    attributes.emplace("count_include_pad", int64_t{include != 0});
  }
  BITTERN_TRY_ASSIGN(const ValueId x, WithTwoSpatial(node, node.Input(0)));
  return AnswerSpatial(node, node.op(), {x}, std::move(attributes),
                       input.rank() - 2);
}

Result<void> ImportGlobalPool(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  if (rank < 3) {
    return node.Fail("input has " + std::to_string(rank) +
                     " dimensions, expected 3 or more");
  }
  const bool average = node.op() == "GlobalAveragePool";
  if (average && rank == 4) return node.Answer(node.op(), node.inputs());
  std::vector<int64_t> axes(rank - 2);
  std::iota(axes.begin(), axes.end(), int64_t{2});
  return node.Answer(average ? "ReduceMean" : "ReduceMax", node.inputs(),
                     {{"axes", axes}, {"keepdims", int64_t{1}}});
}

}  // namespace bittern::convert
