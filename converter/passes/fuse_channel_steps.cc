// What follows a low-bit convolution element by element moves into it, in the
// order of the graph: residual additions, constants per channel that are added
// or multiplied, Relu, Gelu, Clip and PRelu (RPReLU: a shift, a PRelu, a
// shift). The same operations in the same order: the same bits.
#include <algorithm>
#include <limits>

#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// What an epilogue has taken so far.
struct Steps {
  std::string functions;
  std::vector<float> arguments, values;  // values: [steps, channels]
  ValueId residual = kNone;
  NodeId last = kNone;  // makes the result; kNone: nothing was taken

  void Add(std::string_view name, NodeId node) {
    functions += functions.empty() ? "" : " ";
    functions += name;
    last = node;
  }
};

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph) {}

  Result<void> Visit(NodeId id) {
    constexpr int kMaxSteps = 16;
    const Node conv = graph_.node(id);
    if (conv.op != "LowBitConv" || StringOf(conv, "epilogue") != "f32" ||
        conv.attributes.count("functions") != 0 ||
        LowBitInputsOf(conv)[kResidualInput] != kNone) {
      return {};
    }
    shape_ = *StaticShape(graph_, conv.outputs[0]);
    Steps steps;
    ValueId y = conv.outputs[0];
    for (int i = 0; i < kMaxSteps && Take(y, steps); ++i) {
      y = graph_.node(steps.last).outputs[0];
    }
    if (steps.last == kNone) return {};
    std::vector<ValueId> inputs = LowBitInputsOf(conv);
    inputs[kResidualInput] = steps.residual;
    if (!steps.values.empty()) {
      const int64_t channels = shape_.Last();
      const auto rows = static_cast<int64_t>(steps.values.size()) / channels;
      inputs[kStepValuesInput] =
          graph_.AddF32(graph_.value(inputs[kWeightInput]).name + ".steps",
                        {rows, channels}, steps.values);
    }
    AttributeMap attributes = conv.attributes;
    attributes["functions"] = steps.functions;
    if (!steps.arguments.empty()) attributes["function_args"] = steps.arguments;
    TrimAbsent(inputs);
    graph_.node(steps.last).name = conv.name;
    return Rewrite(graph_, steps.last, "LowBitConv", inputs, attributes);
  }

 private:
  // Takes what reads `y`, if that is a step.
  bool Take(ValueId y, Steps& steps) const {
    if (const std::optional<NodeId> user = OnlyUser(graph_, y)) {
      const Node& node = graph_.node(*user);
      if (StaticShape(graph_, node.outputs[0]) != shape_) return false;
      return node.inputs.size() == 1 ? TakeFunction(*user, steps)
                                     : TakeBinary(*user, y, steps);
    }
    return TakePRelu(y, steps);
  }

  static std::string FunctionOf(const Node& node) {
    return node.op == "Relu"   ? "relu"
           : node.op == "Gelu" ? "gelu"
           : node.op == "Clip" ? "clip"
                               : "";
  }

  bool TakeFunction(NodeId id, Steps& steps) const {
    constexpr float kLargest = std::numeric_limits<float>::max();
    const Node& node = graph_.node(id);
    const std::string name = FunctionOf(node);
    if (name.empty()) return false;
    if (name == "clip") {
      steps.arguments.push_back(FloatOf(node, "min", -kLargest));
      steps.arguments.push_back(FloatOf(node, "max", kLargest));
    }
    steps.Add(name, id);
    return true;
  }

  bool TakeBinary(NodeId id, ValueId y, Steps& steps) const {
    const Node& node = graph_.node(id);
    const ValueId other = OtherInput(node, y);
    if (node.op == "Add" && !graph_.IsConstant(other)) {
      if (steps.residual != kNone || other == y ||
          graph_.value(other).type != graph_.value(y).type) {
        return false;
      }
      steps.residual = other;
      steps.Add("residual", id);
      return true;
    }
    const bool subtracts = node.op == "Sub" && node.inputs[0] == y;
    if (node.op != "Add" && node.op != "Mul" && !subtracts) return false;
    if (!TakeValues(other, subtracts ? -1.0f : 1.0f, steps)) return false;
    steps.Add(node.op == "Mul" ? "mul" : "add", id);
    return true;
  }

  bool TakeValues(ValueId id, float sign, Steps& steps) const {
    if (!graph_.IsConstant(id)) return false;
    const auto values = AlongAxis(graph_, id, shape_, shape_.rank() - 1);
    if (!values) return false;
    for (float value : *values) steps.values.push_back(sign * value);
    return true;
  }

  // Where(y < 0, y * slope, y).
  bool TakePRelu(ValueId y, Steps& steps) const {
    const std::vector<NodeId> users = graph_.Users(y);
    if (users.size() != 3 || graph_.UseCount(y) != 3) return false;
    for (NodeId id : users) {
      const Node& where = graph_.node(id);
      if (where.op != "Where" || where.inputs[2] != y) continue;
      const ValueId slope = SlopeOf(graph_, where);
      if (slope == kNone || graph_.UseCount(where.inputs[0]) != 1 ||
          graph_.UseCount(where.inputs[1]) != 1 ||
          StaticShape(graph_, where.outputs[0]) != shape_ ||
          !TakeValues(slope, 1, steps)) {
        return false;
      }
      steps.Add("prelu", id);
      return true;
    }
    return false;
  }

  Graph& graph_;
  Shape shape_;
};

}  // namespace

Result<void> FuseChannelSteps(Graph& graph, PassContext&) {
  Fuser fuser(graph);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (!graph.node(id).removed) BITTERN_TRY(fuser.Visit(id));
  }
  return {};
}

}  // namespace bittern::convert
