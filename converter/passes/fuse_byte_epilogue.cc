// A quantiser behind a low-bit product moves into it, so that no float tensor
// is written: LowBitLinear or LowBitConv -> [Gelu, Relu, Clip] -> Quantize
// becomes one node with a bytes epilogue, and LowBitLinear of codes ->
// LayerNorm per head -> Quantize one with a group_norm_bytes epilogue. Reshapes
// on the way are views and vanish. A residual comes last in the epilogue, so
// with one there can be no functions.
#include <limits>

#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"
#include "kernels/epilogue/epilogue.h"

namespace bittern::convert {
namespace {

struct Tail {
  ValueId product = kNone;  // output of the LowBitLinear
  NodeId norm = kNone;
  std::vector<Node> functions;  // in order of evaluation
};

std::optional<Tail> TraceTail(const Graph& graph, ValueId id) {
  constexpr int kMaxSteps = 16;
  Tail tail;
  for (int step = 0; step < kMaxSteps && OnlyUser(graph, id); ++step) {
    const Node* node = graph.Producer(id);
    if (node == nullptr) return std::nullopt;
    if (IsLowBitProduct(*node)) {
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

// Adds them behind those that the product has.
void AddFunctions(const std::vector<Node>& functions,
                  AttributeMap& attributes) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  if (functions.empty()) return;
  std::string& names = std::get<std::string>(
      attributes.try_emplace("functions", "").first->second);
  std::vector<float> args;
  for (const Node& function : functions) {
    names += names.empty() ? "" : " ";
    names += function.op == "Clip"   ? "clip"
             : function.op == "Gelu" ? "gelu"
                                     : "relu";
    if (function.op != "Clip") continue;
    args.push_back(FloatOf(function, "min", -kLargest));
    args.push_back(FloatOf(function, "max", kLargest));
  }
  if (args.empty()) return;
  auto& all = std::get<std::vector<float>>(
      attributes.try_emplace("function_args", std::vector<float>())
          .first->second);
  all.insert(all.end(), args.begin(), args.end());
}

// Whether the product adds a residual, and not among its functions but last.
bool AddsLast(const Node& product, ValueId residual) {
  return residual != kNone &&
         StringOf(product, "functions").find("residual") == std::string::npos;
}

// Whether group_norm_bytes can do it: integer sums with constant terms at most,
// normed over parts of a row.
bool TakesNorm(const Graph& graph, const Node& product, const Node& norm) {
  const Shape& rows = graph.value(norm.inputs[0]).type->shape;
  const std::vector<ValueId> inputs = LowBitInputsOf(product);
  return product.op == "LowBitLinear" && HasConstantNorm(graph, norm) &&
         PlainLowBitProduct(graph, product.outputs[0]) != nullptr &&
         graph.value(inputs[kCodesInput]).type->dtype ==
             runtime::DType::kCode &&
         rows.Last() <= static_cast<int64_t>(kernels::kMaxNormGroup) &&
         inputs[kRowScaleInput] == kNone && inputs[kRowTermInput] == kNone &&
         graph.value(product.outputs[0]).type->shape.Last() % rows.Last() == 0;
}

bool IsConstantOrAbsent(const Graph& graph, const Node& node, size_t input) {
  return node.inputs.size() <= input || node.inputs[input] == kNone ||
         graph.IsConstant(node.inputs[input]);
}

Result<void> Fuse(Graph& graph, NodeId quantize) {
  const Node node = graph.node(quantize);
  if (StringOf(node, "per") == "row" || node.attributes.count("source") != 0 ||
      !IsConstantOrAbsent(graph, node, 1) ||
      !IsConstantOrAbsent(graph, node, 2)) {
    return {};
  }
  const std::optional<Tail> tail = TraceTail(graph, node.inputs[0]);
  if (!tail || graph.value(tail->product).type->shape !=
                   graph.value(node.outputs[0]).type->shape) {
    return {};
  }
  const Node linear = *graph.Producer(tail->product);
  if (tail->norm != kNone &&
      !TakesNorm(graph, linear, graph.node(tail->norm))) {
    return {};
  }
  std::vector<ValueId> inputs = LowBitInputsOf(linear);
  if (StringOf(linear, "epilogue") != "f32" ||
      (AddsLast(linear, inputs[kResidualInput]) && !tail->functions.empty())) {
    return {};
  }
  inputs[kAInput] = node.inputs[1];
  if (node.inputs.size() > 2) inputs[kZInput] = node.inputs[2];
  AttributeMap attributes = linear.attributes;
  for (const auto& [name, value] : node.attributes) attributes[name] = value;
  attributes["epilogue"] = std::string("bytes");
  if (const auto block = linear.attributes.find("block");
      block != linear.attributes.end()) {
    attributes.insert(*block);
  }
  AddFunctions(tail->functions, attributes);
  if (tail->norm != kNone) {
    const Node norm = graph.node(tail->norm);
    TakeNorm(graph, norm, inputs, attributes);
    attributes["epilogue"] = std::string("group_norm_bytes");
    attributes["group"] = graph.value(norm.inputs[0]).type->shape.Last();
  }
  TrimAbsent(inputs);
  graph.node(quantize).name = linear.name;
  return Rewrite(graph, quantize, linear.op, std::move(inputs),
                 std::move(attributes));
}

}  // namespace

Result<void> FuseByteEpilogue(Graph& graph, PassContext&) {
  return ForEachNode(graph, "Quantize",
                     [&](NodeId id) { return Fuse(graph, id); });
}

}  // namespace bittern::convert
