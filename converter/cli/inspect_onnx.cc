// bittern inspect M.onnx: what the importer reads from an ONNX file, before any
// recognition.
#include <fmt/format.h>

#include <map>

#include "converter/onnx/importer.h"
#include "runtime/cli/command.h"

namespace bittern::cli {
namespace {

using convert::Graph;
using convert::ValueId;

std::string Describe(const Graph& graph, ValueId id) {
  if (id < 0) return "-";
  const convert::Value& value = graph.value(id);
  return fmt::format("{} {}", value.name,
                     value.type ? ToString(*value.type) : "?");
}

void PrintNodes(const Graph& graph) {
  for (const convert::Node& node : graph.nodes()) {
    if (node.removed) continue;
    std::string inputs, outputs;
    for (ValueId id : node.inputs)
      inputs += (inputs.empty() ? "" : ", ") + Describe(graph, id);
    for (ValueId id : node.outputs)
      outputs += (outputs.empty() ? "" : ", ") + Describe(graph, id);
    fmt::print("{:<18} {:<40} ({}) -> ({})\n", node.op, node.name, inputs,
               outputs);
  }
}

}  // namespace

Outcome InspectOnnx(const std::string& path, bool layers) {
  BITTERN_TRY_ASSIGN(const convert::ImportedModel model,
                     convert::ImportOnnxFile(path, {}));
  const Graph& graph = model.graph;
  std::map<std::string, size_t> ops;
  size_t weight_bytes = 0;
  for (const convert::Node& node : graph.nodes())
    ops[node.op] += node.removed ? 0 : 1;
  for (const convert::Value& value : graph.values())
    weight_bytes += value.constant ? value.constant->bytes() : 0;
  fmt::print("file     {}\nproducer {}, opset {}\n", path, model.producer,
             model.opset);
  for (ValueId id : graph.inputs)
    fmt::print("input    {}\n", Describe(graph, id));
  for (ValueId id : graph.outputs)
    fmt::print("output   {}\n", Describe(graph, id));
  for (const auto& [op, count] : ops) {
    if (count != 0) fmt::print("op       {:>4} x {}\n", count, op);
  }
  fmt::print("data     {:.3f} MB of constants\n",
             static_cast<double>(weight_bytes) / 1e6);
  if (layers) PrintNodes(graph);
  return {};
}

}  // namespace bittern::cli
