#include "converter/passes/image_layout.h"

#include "converter/passes/edit.h"

namespace bittern::convert {

bool CanBeConvLast(const Graph& graph, const Node& conv) {
  const ValueId bias = conv.inputs.size() > 2 ? conv.inputs[2] : kNone;
  const std::optional<Shape> w = StaticShape(graph, conv.inputs[1]);
  return w && w->rank() == 4 && graph.IsConstant(conv.inputs[1]) &&
         (bias == kNone || graph.IsConstant(bias));
}

Result<ValueId> EmitConvLast(Graph& graph, const Node& conv, ValueId image) {
  std::vector<ValueId> inputs = conv.inputs;
  AttributeMap attributes;
  if (image != kNone) {
    const Shape w = *StaticShape(graph, inputs[1]);
    inputs[0] = image;
    inputs[1] = graph.AddF32(graph.value(inputs[1]).name + ".last",
                             {w[0], w[2], w[3], w[1]},
                             FiltersLast(graph.F32(inputs[1]), w));
  } else {
    attributes["channels_first"] = int64_t{1};
  }
  if (inputs.size() > 2 && inputs[2] == kNone) inputs.resize(2);
  for (const char* name : {"strides", "pads", "dilations"}) {
    const std::vector<int64_t> list = IntsOf(conv, name);
    if (!list.empty()) attributes[name] = list;
  }
  if (IntOf(conv, "group", 1) != 1)
    attributes["groups"] = IntOf(conv, "group", 1);
  return Emit(graph, "ConvLast", conv.name, inputs, attributes,
              graph.value(conv.outputs[0]).name + ".last");
}

}  // namespace bittern::convert
