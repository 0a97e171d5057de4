// A weight scale that is the product of one for each output and one for each
// input channel (alpha beta, learned apart) leaves no row of few values: the
// part of the inputs goes to the activations,
//   MatMul(x, q * (alpha beta)) -> MatMul(x * beta, q * alpha).
// Runs before constants are folded, while the two parts are still apart.
#include <fmt/format.h>

#include "converter/passes/few_levels.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

struct RankOne {
  ValueId levels = kNone;               // q
  ValueId column = kNone, row = kNone;  // [R,1] and [1,C]
};

bool HasShape(const Graph& graph, ValueId id, int64_t rows, int64_t columns) {
  return StaticShape(graph, id) == Shape{rows, columns} &&
         IsParameter(graph, id);
}

// The two factors of a matrix [R,C], if a product or Mul makes it of them.
bool TakeFactors(const Graph& graph, ValueId id, RankOne& match) {
  const Node* node = id == kNone ? nullptr : graph.Producer(id);
  const std::optional<Shape> shape = StaticShape(graph, id);
  if (node == nullptr || !shape || shape->rank() != 2 || (*shape)[0] == 1 ||
      (*shape)[1] == 1 || (node->op != "MatMul" && node->op != "Mul")) {
    return false;
  }
  for (size_t i = 0; i < (node->op == "Mul" ? 2u : 1u); ++i) {
    match.column = node->inputs[i];
    match.row = node->inputs[1 - i];
    if (HasShape(graph, match.column, (*shape)[0], 1) &&
        HasShape(graph, match.row, 1, (*shape)[1])) {
      return true;
    }
  }
  return false;
}

// q * (column row), of which q has few levels.
std::optional<RankOne> MatchWeight(const Graph& graph, ValueId id) {
  const Node* product = ProducerIf(graph, id, "Mul");
  if (product == nullptr || !OnlyUser(graph, id)) return std::nullopt;
  for (size_t i = 0; i < 2; ++i) {
    RankOne match;
    match.levels = product->inputs[1 - i];
    if (HasFewLevels(graph, match.levels) && IsParameter(graph, match.levels) &&
        TakeFactors(graph, product->inputs[i], match)) {
      return match;
    }
  }
  return std::nullopt;
}

Result<bool> Split(Graph& graph, NodeId id) {
  const Node matmul = graph.node(id);
  ValueId weight = matmul.inputs[1];
  const Node* transpose = ProducerIf(graph, weight, "Transpose");
  if (transpose != nullptr && OnlyUser(graph, weight)) {
    weight = transpose->inputs[0];
  }
  const bool transposed = weight != matmul.inputs[1];
  const std::optional<RankOne> match = MatchWeight(graph, weight);
  if (!match || !StaticShape(graph, matmul.inputs[0])) return false;
  // Rows of the matrix are outputs if it is transposed, else inputs.
  const ValueId outputs = transposed ? match->column : match->row;
  const ValueId inputs = transposed ? match->row : match->column;
  const std::string name = matmul.name;
  const int64_t k = StaticShape(graph, inputs)->Elements();
  BITTERN_TRY_ASSIGN(const ValueId beta,
                     EmitReshape(graph, name, inputs, {k}, name + ".inputs"));
  BITTERN_TRY_ASSIGN(const ValueId x,
                     Emit(graph, "Mul", name, {matmul.inputs[0], beta}, {},
                          graph.value(matmul.inputs[0]).name + ".scaled"));
  BITTERN_TRY(Rewrite(graph, graph.ProducerId(weight), "Mul",
                      {match->levels, outputs}, {}));
  graph.node(id).inputs[0] = x;
  return true;
}

}  // namespace

Result<void> SplitRankOneScales(Graph& graph, PassContext&) {
  int count = 0;
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed || graph.node(id).op != "MatMul") continue;
    BITTERN_TRY_ASSIGN(const bool done, Split(graph, id));
    count += done ? 1 : 0;
  }
  if (count > 0) {
    graph.notes.push_back(fmt::format(
        "weight scales of rank one split, inputs' part to the activations: {}",
        count));
  }
  return {};
}

}  // namespace bittern::convert
