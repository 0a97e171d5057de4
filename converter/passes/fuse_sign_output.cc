// A sign of what a low-bit convolution makes, which others read as floats too,
// becomes a second output of it (epilogue f32_sign):
//   y = LowBitConv(...); codes = Binarize(y + shift[c])
// The shift (RSign) is added to the finished float, as the graph has it: the
// same codes, one pass over the image less for each of the two.
#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// The float image under the sign, and the constants added to its channels.
struct ShiftedImage {
  ValueId y = kNone;
  std::vector<float> shift;  // empty: none
};

ShiftedImage MatchShift(const Graph& graph, ValueId x) {
  const Node* add = ProducerIf(graph, x, "Add");
  if (add == nullptr || !OnlyUser(graph, x)) return {x, {}};
  const ValueId constant = ConstantOperand(graph, *add);
  const std::optional<Shape> shape = StaticShape(graph, x);
  if (constant == kNone || !shape || shape->rank() == 0) return {x, {}};
  const ValueId y = OtherInput(*add, constant);
  const auto shift = AlongAxis(graph, constant, *shape, shape->rank() - 1);
  if (!shift || StaticShape(graph, y) != shape) return {x, {}};
  return {y, *shift};
}

Result<void> Fuse(Graph& graph, NodeId binarize) {
  const Node sign = graph.node(binarize);
  const std::optional<Shape> shape = StaticShape(graph, sign.inputs[0]);
  const int64_t group = IntOf(sign, "group", 0);
  if (sign.inputs.size() > 1 || !shape ||
      (group != 0 && group != shape->Last())) {
    return {};
  }
  const ShiftedImage image = MatchShift(graph, sign.inputs[0]);
  const NodeId conv = graph.ProducerId(image.y);
  if (conv == kNone || graph.node(conv).op != "LowBitConv" ||
      StringOf(graph.node(conv), "epilogue") != "f32") {
    return {};
  }
  std::vector<ValueId> inputs = LowBitInputsOf(graph.node(conv));
  if (!image.shift.empty()) {
    inputs[kZInput] = AddVector(
        graph, graph.value(sign.outputs[0]).name + ".shift", image.shift);
  }
  AttributeMap attributes = graph.node(conv).attributes;
  attributes["epilogue"] = std::string("f32_sign");
  return TakeCodes(graph, conv, binarize, std::move(inputs),
                   std::move(attributes));
}

}  // namespace

Result<void> FuseSignOutput(Graph& graph, PassContext&) {
  return ForEachNode(graph, "Binarize",
                     [&](NodeId id) { return Fuse(graph, id); });
}

}  // namespace bittern::convert
