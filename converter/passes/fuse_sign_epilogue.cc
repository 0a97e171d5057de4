// A sign behind a low-bit product moves into it, so that no float tensor is
// written: LowBitLinear, LowBitConv -> [LayerNorm per head | Gelu, Relu, Clip]
// -> Binarize becomes one node with a sign epilogue, BinaryAttention ->
// Binarize one with code output. Reshapes on the way are views and vanish. A
// sign epilogue works on integer windows, so it is only made where such windows
// exist.
#include <limits>

#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"
#include "kernels/base/cpu.h"
#include "kernels/elementwise/elementwise.h"
#include "runtime/ops/sign_windows.h"

namespace bittern::convert {
namespace {

// What stands between a low-bit product and a Binarize.
struct Tail {
  ValueId product = kNone;  // output of LowBitLinear or BinaryAttention
  NodeId norm = kNone;
  std::vector<Node> functions;  // in order of evaluation
};

std::optional<Tail> TraceTail(const Graph& graph, ValueId id) {
  constexpr int kMaxSteps = 16;
  Tail tail;
  for (int step = 0; step < kMaxSteps && OnlyUser(graph, id); ++step) {
    const Node* node = graph.Producer(id);
    if (node == nullptr) return std::nullopt;
    if (IsLowBitProduct(*node) || node->op == "BinaryAttention") {
      tail.product = id;
      return tail;
    }
    if (node->op == "LayerNorm" && tail.norm == kNone &&
        tail.functions.empty()) {
      tail.norm = graph.ProducerId(id);
    } else if ((node->op == "Gelu" || node->op == "Relu" ||
                node->op == "Clip") &&
               tail.norm == kNone) {
      tail.functions.insert(tail.functions.begin(), *node);
    } else if (node->op != "Reshape") {
      return std::nullopt;
    }
    id = node->inputs[0];
  }
  return std::nullopt;
}

// The same for the runtime's planner, which finds the windows.
std::vector<runtime::SignFunction> SignFunctions(
    const std::vector<Node>& functions) {
  using Kind = runtime::SignFunction::Kind;
  constexpr float kLargest = std::numeric_limits<float>::max();
  std::vector<runtime::SignFunction> list;
  for (const Node& function : functions) {
    if (function.op == "Clip") {
      list.push_back({Kind::kClip, FloatOf(function, "min", -kLargest),
                      FloatOf(function, "max", kLargest)});
    } else {
      list.push_back({function.op == "Gelu" ? Kind::kGelu : Kind::kRelu});
    }
  }
  return list;
}

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph) {}

  Result<void> Visit(NodeId binarize) {
    const ValueId codes = graph_.node(binarize).outputs[0];
    const auto tail = TraceTail(graph_, graph_.node(binarize).inputs[0]);
    if (!tail || graph_.value(tail->product).type->shape !=
                     graph_.value(codes).type->shape) {
      return {};
    }
    if (const Node* attention =
            ProducerIf(graph_, tail->product, "BinaryAttention")) {
      return FuseAttention(binarize, *attention, *tail);
    }
    const Node* linear = PlainLowBitProduct(graph_, tail->product);
    if (linear == nullptr || !IsBinary(*linear)) return {};
    return tail->norm == kNone ? FuseSign(binarize, *linear, *tail)
                               : FuseGroupNorm(binarize, *linear, *tail);
  }

 private:
  Result<void> FuseAttention(NodeId binarize, const Node& attention,
                             const Tail& tail) {
    const Node& node = graph_.node(binarize);
    if (tail.norm != kNone || !tail.functions.empty() ||
        node.inputs.size() > 1 || IntOf(node, "group", 0) != 0) {
      return {};
    }
    AttributeMap attributes = attention.attributes;
    attributes["output"] = std::string("sign");
    const std::vector<ValueId> inputs = attention.inputs;
    graph_.node(binarize).name = attention.name;
    return Rewrite(graph_, binarize, "BinaryAttention", inputs, attributes);
  }

  // Whether it is a product of signs and bipolar weights, without more.
  bool IsBinary(const Node& linear) const {
    const auto encoding = [&](LowBitInput input) {
      return graph_.value(linear.inputs[input]).type->code.encoding;
    };
    return encoding(kCodesInput) == runtime::Encoding::kSign &&
           encoding(kWeightInput) == runtime::Encoding::kBipolar &&
           linear.inputs.size() <= kCorrectionInput;
  }

  Result<void> FuseSign(NodeId binarize, const Node& linear, const Tail& tail) {
    std::vector<ValueId> inputs = LowBitInputsOf(linear);
    TakeScales(binarize, inputs);
    if (!HasWindows(binarize, inputs, tail.functions)) {
      graph_.notes.push_back("'" + linear.name +
                             "': its sign cannot be decided on the "
                             "accumulator, so it is a step of its own");
      return {};
    }
    AttributeMap attributes = linear.attributes;
    attributes["epilogue"] = std::string("sign");
    AddFunctions(tail.functions, attributes);
    return Replace(binarize, linear, inputs, attributes);
  }

  // Whether the planner will find integer windows: the same code decides.
  bool HasWindows(NodeId binarize, const std::vector<ValueId>& inputs,
                  const std::vector<Node>& functions) const {
    const Shape weight = graph_.value(inputs[kWeightInput]).type->shape;
    const int64_t group = IntOf(graph_.node(binarize), "group", 0);
    const std::vector<float> scale = graph_.F32(inputs[kScaleInput]);
    const std::vector<float> bias = graph_.F32(inputs[kBiasInput]);
    const std::vector<float> a = graph_.F32(inputs[kAInput]);
    const std::vector<float> z = graph_.F32(inputs[kZInput]);
    const std::vector<runtime::SignFunction> list = SignFunctions(functions);
    const auto data = [](const std::vector<float>& values) {
      return values.empty() ? nullptr : values.data();
    };
    const runtime::SignLayer layer{
        static_cast<size_t>(weight[0]),
        static_cast<size_t>(weight[1]),
        data(scale),
        data(bias),
        list,
        data(a),
        data(z),
        static_cast<size_t>(group > 0 ? group : weight[0])};
    return runtime::MakeSignWindows(
               layer, *kernels::SelectElementwise(kernels::DetectCpu()))
        .ok();
  }

  static void AddFunctions(const std::vector<Node>& functions,
                           AttributeMap& attributes) {
    using Kind = runtime::SignFunction::Kind;
    std::string names;
    std::vector<float> args;
    for (const runtime::SignFunction& function : SignFunctions(functions)) {
      names += names.empty() ? "" : " ";
      names += function.kind == Kind::kClip   ? "clip"
               : function.kind == Kind::kGelu ? "gelu"
                                              : "relu";
      if (function.kind != Kind::kClip) continue;
      args.push_back(function.lo);
      args.push_back(function.hi);
    }
    if (!names.empty()) attributes["functions"] = names;
    if (!args.empty()) attributes["function_args"] = args;
  }

  Result<void> FuseGroupNorm(NodeId binarize, const Node& linear,
                             const Tail& tail) {
    const Node norm = graph_.node(tail.norm);
    const int64_t group = IntOf(graph_.node(binarize), "group", 0);
    const Shape rows = graph_.value(norm.inputs[0]).type->shape;
    if (!tail.functions.empty() || group == 0 || rows.Last() != group ||
        !HasConstantNorm(graph_, norm)) {
      return {};
    }
    std::vector<ValueId> inputs = LowBitInputsOf(linear);
    AttributeMap attributes = linear.attributes;
    TakeNorm(graph_, norm, inputs, attributes);
    TakeScales(binarize, inputs);
    attributes["epilogue"] = std::string("group_norm_sign");
    return Replace(binarize, linear, inputs, attributes);
  }

  void TakeScales(NodeId binarize, std::vector<ValueId>& inputs) const {
    const Node& node = graph_.node(binarize);
    if (node.inputs.size() < 3) return;
    inputs[kAInput] = node.inputs[1];
    inputs[kZInput] = node.inputs[2];
  }

  Result<void> Replace(NodeId binarize, const Node& product,
                       std::vector<ValueId> inputs, AttributeMap attributes) {
    const int64_t group = IntOf(graph_.node(binarize), "group", 0);
    if (group > 0) attributes["group"] = group;
    TrimAbsent(inputs);
    const std::string op = product.op;
    graph_.node(binarize).name = product.name;
    return Rewrite(graph_, binarize, op, std::move(inputs),
                   std::move(attributes));
  }

  Graph& graph_;
};

}  // namespace

Result<void> FuseSignEpilogue(Graph& graph, PassContext&) {
  Fuser fuser(graph);
  return ForEachNode(graph, "Binarize",
                     [&](NodeId id) { return fuser.Visit(id); });
}

}  // namespace bittern::convert
