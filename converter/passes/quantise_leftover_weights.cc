// --leftovers int8: the weights of products and convolutions that were trained
// in float (stem, shortcuts, heads) become 8-bit codes, one scale for each
// output channel: w -> fl(c * s), s = fl(max |w| / 127), c = round(w / s). From
// here on they are as if they had been trained so; quantise_leftover_inputs.cc
// does the other operand. What has low-bit weights already is left alone.
#include <cmath>
#include <limits>

#include "converter/passes/linear_chain.h"
#include "converter/passes/passes.h"
#include "converter/passes/two_values.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {
namespace {

constexpr float kMaxCode = 127;

// Rows [n][k] on their grids of 8 bits. False if a weight is not finite.
bool RoundRows(std::vector<float>& rows, size_t n) {
  const size_t k = rows.size() / n;
  for (size_t row = 0; row < n; ++row) {
    float* w = rows.data() + row * k;
    float largest = 0;
    for (size_t i = 0; i < k; ++i) {
      if (!std::isfinite(w[i])) return false;
      largest = std::fmax(largest, std::fabs(w[i]));
    }
    const float scale = largest / kMaxCode;
    if (scale < std::numeric_limits<float>::min()) {  // a row of zeros
      for (size_t i = 0; i < k; ++i) w[i] = 0;
      continue;
    }
    for (size_t i = 0; i < k; ++i) w[i] = std::nearbyint(w[i] / scale) * scale;
  }
  return true;
}

// Whether rows [n][k], which are columns [k][n] too, are codes of some kind
// that recognition finds.
bool IsLowBit(const std::vector<float>& rows, const std::vector<float>& columns,
              size_t n) {
  return ClassifyRows(rows, n).reason.empty() ||
         ClassifyTwoValues(columns, columns.size() / n, n);
}

}  // namespace

Result<void> QuantiseLeftoverWeights(Graph& graph, PassContext& context) {
  if (!context.options.leftovers_int8) return {};
  int count = 0;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes().size()); ++id) {
    const Node node = graph.node(id);
    if (node.removed) continue;
    const bool product = node.op == "MatMul";
    if (product ? !MatchLinear(graph, id) : node.op != "Conv") continue;
    if (context.groups.count(graph.value(node.inputs[1]).name) != 0) continue;
    const std::optional<Shape> shape = StaticShape(graph, node.inputs[1]);
    const std::vector<float> weights = graph.F32(node.inputs[1]);
    if (!shape || weights.empty()) continue;
    const auto n = static_cast<size_t>((*shape)[product ? 1 : 0]);
    const std::vector<float> other =
        Transposed(weights, product ? weights.size() / n : n);
    std::vector<float> rows = product ? other : weights;
    if (IsLowBit(rows, product ? weights : other, n) || !RoundRows(rows, n)) {
      continue;
    }
    std::vector<ValueId> inputs = node.inputs;
    inputs[1] = graph.AddF32(graph.value(inputs[1]).name + ".int8", *shape,
                             product ? Transposed(rows, n) : rows);
    BITTERN_TRY(Rewrite(graph, id, node.op, inputs, node.attributes));
    context.leftovers.insert(node.name);
    ++count;
  }
  if (count != 0) {
    graph.notes.push_back("float weights rounded to 8 bits: " +
                          std::to_string(count));
  }
  return {};
}

}  // namespace bittern::convert
