// Constant indices in half the bytes: ONNX writes them in 64 bits, the ops that
// gather and scatter take 32 as well.
#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr std::array<std::string_view, 5> kIndexed = {
    "Gather", "GatherElements", "GatherNd", "ScatterElements", "ScatterNd"};
constexpr size_t kIndices = 1;  // the input that holds them, of each of these

}  // namespace

Result<void> NarrowIndices(Graph& graph, PassContext& context) {
  static_cast<void>(context);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed || std::ranges::find(kIndexed, node.op) == kIndexed.end())
      continue;
    const ValueId wide = node.inputs[kIndices];
    if (!graph.IsConstant(wide) ||
        graph.value(wide).type->dtype != runtime::DType::kI64)
      continue;
    const std::vector<int64_t> values = graph.I64(wide);
    const bool fits = std::ranges::all_of(values, [](int64_t v) {
      return v >= std::numeric_limits<int32_t>::min() &&
             v <= std::numeric_limits<int32_t>::max();
    });
    if (!fits || values.empty()) continue;
    BITTERN_TRY_ASSIGN(
        const ValueId narrow,
        AddI32(graph, graph.value(wide).name,
               std::vector<int32_t>(values.begin(), values.end())));
    graph.value(narrow).type->shape = graph.value(wide).type->shape;
    graph.node(id).inputs[kIndices] = narrow;
  }
  return {};
}

}  // namespace bittern::convert
