// Low-bit convolutions of the same codes whose images are concatenated, as in
// the blocks of ReActNet that double the channels, are one convolution with the
// filters of all:
//   Concat(LowBitConv(x, w1) + r1, LowBitConv(x, w2) + r2)
//     -> LowBitConv(x, [w1, w2]) + Concat(r1, r2)
// so that what follows channel by channel can move into its epilogue. Each
// output is the same sum and the same operations as before.
#include <algorithm>
#include <cstring>

#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

struct Part {
  NodeId conv = kNone;
  ValueId residual = kNone;  // kNone: nothing is added
};

// Inputs that have a row or an element for each filter.
constexpr LowBitInput kPerFilter[] = {kWeightInput, kScaleInput, kBiasInput};

// A plain convolution: nothing behind the bias.
bool IsPlain(const Graph& graph, ValueId y) {
  const Node* conv = ProducerIf(graph, y, "LowBitConv");
  return conv != nullptr && OnlyUser(graph, y) &&
         conv->inputs.size() <= kResidualInput &&
         conv->inputs.back() != kNone && StringOf(*conv, "epilogue") == "f32" &&
         conv->attributes.count("functions") == 0 &&
         IntOf(*conv, "groups", 1) == 1;
}

std::optional<Part> MatchPart(const Graph& graph, ValueId y) {
  if (IsPlain(graph, y)) return Part{graph.ProducerId(y), kNone};
  const Node* add = ProducerIf(graph, y, "Add");
  if (add == nullptr || !OnlyUser(graph, y)) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    const ValueId conv = add->inputs[i], residual = add->inputs[1 - i];
    if (IsPlain(graph, conv) && !graph.IsConstant(residual) &&
        graph.value(residual).type == graph.value(conv).type) {
      return Part{graph.ProducerId(conv), residual};
    }
  }
  return std::nullopt;
}

// Whether `b` differs from `a` in its filters only.
bool AreTwins(const Graph& graph, const Part& a, const Part& b) {
  const Node &x = graph.node(a.conv), &y = graph.node(b.conv);
  const auto code = [&](const Node& node) {
    return graph.value(node.inputs[kWeightInput]).type->code;
  };
  return x.inputs[kCodesInput] == y.inputs[kCodesInput] &&
         x.inputs.size() == y.inputs.size() && x.attributes == y.attributes &&
         code(x) == code(y) && (a.residual == kNone) == (b.residual == kNone);
}

std::vector<Part> MatchParts(const Graph& graph, const Node& concat) {
  std::vector<Part> parts;
  const auto shape = StaticShape(graph, concat.outputs[0]);
  const int64_t axis = IntOf(concat, "axis", 0);
  if (!shape || shape->rank() != 4 || (axis != 3 && axis != -1)) return {};
  for (ValueId input : concat.inputs) {
    const std::optional<Part> part = MatchPart(graph, input);
    if (!part || (!parts.empty() && !AreTwins(graph, parts[0], *part)))
      return {};
    parts.push_back(*part);
  }
  return parts;
}

// One constant after the other. Rows of codes fill whole bytes.
Result<ValueId> Join(Graph& graph, const std::vector<Part>& parts,
                     LowBitInput input) {
  const auto of = [&](const Part& part) -> const Value& {
    return graph.value(graph.node(part.conv).inputs[input]);
  };
  TensorType type = *of(parts[0]).type;
  size_t bytes = 0;
  type.shape[0] = 0;
  for (const Part& part : parts) {
    type.shape[0] += of(part).type->shape[0];
    bytes += static_cast<size_t>(runtime::ByteSize(*of(part).type));
  }
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer data,
                     runtime::AlignedBuffer::Make(bytes));
  uint8_t* at = data.data();
  for (const Part& part : parts) {
    const auto size = static_cast<size_t>(runtime::ByteSize(*of(part).type));
    std::memcpy(at, of(part).constant->data(), size);
    at += size;
  }
  return graph.AddConstant(
      of(parts[0]).name + ".joined", type,
      std::make_shared<const runtime::AlignedBuffer>(std::move(data)));
}

// The report has one layer for all, where the first of its records stood.
std::string JoinRecords(const Graph& graph, const std::vector<Part>& parts,
                        std::vector<LayerRecord>& layers) {
  std::string name;
  std::vector<size_t> own;  // records of the parts
  for (const Part& part : parts) {
    const std::string& conv = graph.node(part.conv).name;
    name += (name.empty() ? "" : " + ") + conv;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (layers[i].name != conv || std::ranges::find(own, i) != own.end())
        continue;
      own.push_back(i);
      break;
    }
  }
  if (own.empty()) return name;
  std::ranges::sort(own);
  LayerRecord& joined = layers[own[0]];
  joined.name = name;
  for (size_t i = own.size() - 1; i > 0; --i) {
    const LayerRecord& record = layers[own[i]];
    joined.weight_shape[0] += record.weight_shape[0];
    joined.max_ulp = std::max(joined.max_ulp, record.max_ulp);
    layers.erase(layers.begin() + static_cast<ptrdiff_t>(own[i]));
  }
  return name;
}

Result<void> Fuse(Graph& graph, PassContext& context, NodeId concat) {
  const std::vector<Part> parts = MatchParts(graph, graph.node(concat));
  if (parts.size() < 2) return {};
  const Node first = graph.node(parts[0].conv);
  std::vector<ValueId> inputs = first.inputs;
  for (const LowBitInput input : kPerFilter) {
    if (input >= inputs.size() || inputs[input] == kNone) continue;
    BITTERN_TRY_ASSIGN(inputs[input], Join(graph, parts, input));
  }
  const std::string name = JoinRecords(graph, parts, context.layers);
  if (parts[0].residual == kNone) {
    graph.node(concat).name = name;
    return Rewrite(graph, concat, first.op, inputs, first.attributes);
  }
  const Node node = graph.node(concat);
  BITTERN_TRY_ASSIGN(const ValueId y,
                     Emit(graph, first.op, name, inputs, first.attributes,
                          graph.value(first.outputs[0]).name + ".joined"));
  std::vector<ValueId> residuals;
  for (const Part& part : parts) residuals.push_back(part.residual);
  BITTERN_TRY_ASSIGN(
      const ValueId residual,
      Emit(graph, "Concat", node.name, residuals, node.attributes,
           graph.value(node.outputs[0]).name + ".residual"));
  return Rewrite(graph, concat, "Add", {residual, y}, {});
}

}  // namespace

Result<void> JoinConvolutions(Graph& graph, PassContext& context) {
  return ForEachNode(graph, "Concat",
                     [&](NodeId id) { return Fuse(graph, context, id); });
}

}  // namespace bittern::convert
