// What stands in front of a Quantize moves into it where the runtime has it as
// a source: LayerNorm of the row, Clip, Clip of Gelu. What somebody else reads
// stays.
#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// The node that makes `id` if it is an `op` that only one node reads.
const Node* Source(const Graph& graph, ValueId id, const char* op) {
  const Node* node = ProducerIf(graph, id, op);
  return node != nullptr && OnlyUser(graph, id) ? node : nullptr;
}

Result<void> TakeNorm(Graph& graph, NodeId id, const Node& norm) {
  const auto width =
      static_cast<size_t>(StaticShape(graph, norm.outputs[0])->Last());
  std::vector<ValueId> inputs = graph.node(id).inputs;
  inputs[0] = norm.inputs[0];
  inputs.resize(3, kNone);
  inputs.push_back(norm.inputs[1]);
  inputs.push_back(norm.inputs.size() > 2
                       ? norm.inputs[2]
                       : AddVector(graph, norm.name + ".beta",
                                   std::vector<float>(width, 0.0f)));
  AttributeMap attributes = graph.node(id).attributes;
  attributes["source"] = std::string("layer_norm");
  attributes["epsilon"] = FloatOf(norm, "epsilon", 1e-5f);
  return Rewrite(graph, id, "Quantize", inputs, attributes);
}

Result<void> TakeClip(Graph& graph, NodeId id, const Node& clip) {
  AttributeMap attributes = graph.node(id).attributes;
  for (const auto& [name, value] : clip.attributes) {
    attributes["clip_" + name] = value;
  }
  std::vector<ValueId> inputs = graph.node(id).inputs;
  const Node* gelu = Source(graph, clip.inputs[0], "Gelu");
  attributes["source"] = std::string(gelu == nullptr ? "clip" : "gelu_clip");
  inputs[0] = gelu == nullptr ? clip.inputs[0] : gelu->inputs[0];
  return Rewrite(graph, id, "Quantize", inputs, attributes);
}

}  // namespace

Result<void> FuseQuantizeSource(Graph& graph, PassContext&) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed || node.op != "Quantize" ||
        node.attributes.count("source") != 0) {
      continue;
    }
    if (const Node* norm = Source(graph, node.inputs[0], "LayerNorm")) {
      const Node copy = *norm;
      BITTERN_TRY(TakeNorm(graph, id, copy));
    } else if (const Node* clip = Source(graph, node.inputs[0], "Clip")) {
      const Node copy = *clip;
      BITTERN_TRY(TakeClip(graph, id, copy));
    }
  }
  return {};
}

}  // namespace bittern::convert
