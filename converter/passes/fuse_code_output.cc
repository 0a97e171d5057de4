// Codes of what a low-bit convolution makes, which others read as floats too,
// become a second output of it (epilogue f32_bytes):
//   y = LowBitConv(...); codes = Quantize(steps(y))
// where the steps are constants per channel that are added or multiplied, PRelu
// and Relu: the residual stream of a network with its activations in front of
// its convolutions (Q-DETR's bottlenecks). The same operations in the same
// order, four walks over the image less.
#include <algorithm>

#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// The chain from the convolution's image to the quantiser, in order.
struct CodeSteps {
  ValueId y = kNone;
  std::string functions;
  std::vector<float> values;  // [steps, channels]
};

class Tracer {
 public:
  Tracer(const Graph& graph, const Shape& shape)
      : graph_(graph), shape_(shape) {}

  // Upwards from `id`; nothing if no convolution's image is at the end.
  std::optional<CodeSteps> Trace(ValueId id) {
    constexpr int kMaxSteps = 8;
    for (int i = 0; i < kMaxSteps; ++i) {
      const Node* node = graph_.Producer(id);
      if (node == nullptr || StaticShape(graph_, id) != shape_) break;
      if (node->op == "LowBitConv") {
        steps_.y = id;
        return steps_;
      }
      if (!OnlyUser(graph_, id) || !Take(*node)) break;
      id = input_;
    }
    return std::nullopt;
  }

 private:
  // Whether `node` is a step; sets what it reads.
  bool Take(const Node& node) {
    input_ = node.inputs[0];
    if (node.op == "Relu") return Prepend("relu", {});
    if (node.op == "PRelu") return TakeValues("prelu", node.inputs[1], 1);
    if (node.op == "Sub") return TakeValues("add", node.inputs[1], -1);
    if (node.op != "Add" && node.op != "Mul") return false;
    const ValueId constant = ConstantOperand(graph_, node);
    if (constant == kNone) return false;
    input_ = OtherInput(node, constant);
    return TakeValues(node.op == "Add" ? "add" : "mul", constant, 1);
  }

  bool TakeValues(const char* name, ValueId constant, float sign) {
    if (!graph_.IsConstant(constant)) return false;
    auto values = AlongAxis(graph_, constant, shape_, shape_.rank() - 1);
    if (!values) return false;
    for (float& value : *values) value *= sign;
    return Prepend(name, *values);
  }

  bool Prepend(const char* name, const std::vector<float>& values) {
    steps_.functions =
        name + (steps_.functions.empty() ? "" : " " + steps_.functions);
    steps_.values.insert(steps_.values.begin(), values.begin(), values.end());
    return true;
  }

  const Graph& graph_;
  const Shape shape_;
  CodeSteps steps_;
  ValueId input_ = kNone;
};

bool IsFusable(const Graph& graph, const Node& quantize) {
  return StringOf(quantize, "per") != "row" &&
         quantize.attributes.count("source") == 0 &&
         std::all_of(quantize.inputs.begin() + 1, quantize.inputs.end(),
                     [&graph](ValueId id) {
                       return id == kNone || graph.IsConstant(id);
                     });
}

// The step values of the convolution and those of the codes.
ValueId JoinValues(Graph& graph, ValueId own, const Shape& shape,
                   const CodeSteps& steps) {
  std::vector<float> values = graph.F32(own);
  values.insert(values.end(), steps.values.begin(), steps.values.end());
  if (values.empty()) return kNone;
  return graph.AddF32(
      graph.value(steps.y).name + ".steps",
      {static_cast<int64_t>(values.size()) / shape.Last(), shape.Last()},
      values);
}

Result<void> Fuse(Graph& graph, NodeId quantize) {
  const Node node = graph.node(quantize);
  const auto shape = StaticShape(graph, node.outputs[0]);
  if (!shape || shape->rank() != 4 || !IsFusable(graph, node)) return {};
  const auto steps = Tracer(graph, *shape).Trace(node.inputs[0]);
  if (!steps) return {};
  const NodeId conv = graph.ProducerId(steps->y);
  if (StringOf(graph.node(conv), "epilogue") != "f32") return {};
  std::vector<ValueId> inputs = LowBitInputsOf(graph.node(conv));
  inputs[kStepValuesInput] =
      JoinValues(graph, inputs[kStepValuesInput], *shape, *steps);
  inputs[kAInput] = node.inputs[1];
  if (node.inputs.size() > 2) inputs[kZInput] = node.inputs[2];
  AttributeMap attributes = graph.node(conv).attributes;
  for (const auto& [name, value] : node.attributes) attributes[name] = value;
  attributes["epilogue"] = std::string("f32_bytes");
  if (!steps->functions.empty()) {
    attributes["code_functions"] = steps->functions;
  }
  return TakeCodes(graph, conv, quantize, std::move(inputs),
                   std::move(attributes));
}

}  // namespace

Result<void> FuseCodeOutput(Graph& graph, PassContext&) {
  return ForEachNode(graph, "Quantize",
                     [&](NodeId id) { return Fuse(graph, id); });
}

}  // namespace bittern::convert
