// Chains of moves that leave rows (the last dimension) whole become one Gather
// of rows by a constant: rolls (Slice, Slice, Concat), windows and their way
// back (Reshape, Transpose, Reshape), patch merging (strided Slices, Concat; a
// row of the result is four of the source). A chain that moves nothing becomes
// a Reshape. Chains of views and one Slice or Gather, or a Transpose of at most
// four dimensions (attention heads), stay as they are.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "converter/passes/passes.h"
#include "converter/passes/row_moves.h"

namespace bittern::convert {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxHeadRank = 4;
// Elements to follow in all, some seconds of work: a hostile file gets no more.
constexpr int64_t kMaxWork = int64_t{1} << 32;

bool IsView(const Node& node) {
  return node.op == "Reshape" || node.op == "Squeeze" ||
         node.op == "Unsqueeze" || node.op == "Flatten" ||
         node.op == "Identity";
}

// What the nodes between a value and its source cost.
struct Chain {
  int64_t nodes = 0;
  int moves = 0;  // that are no views; those of a Concat's inputs all count
  bool windows = false;  // a Transpose of many dimensions
};

void Count(const Graph& graph, ValueId source, ValueId id, int depth,
           Chain& chain) {
  for (; id != source && depth < kMaxDepth; ++depth) {
    const Node& node = *graph.Producer(id);
    ++chain.nodes;
    if (!IsView(node)) ++chain.moves;
    if (node.op == "Transpose" &&
        StaticShape(graph, id)->rank() > kMaxHeadRank) {
      chain.windows = true;
    }
    for (size_t i = 1; node.op == "Concat" && i < node.inputs.size(); ++i) {
      Count(graph, source, node.inputs[i], depth + 1, chain);
    }
    id = node.inputs[0];
  }
}

// Whether some reader of `id`, at once or behind views, does not belong to the
// chain.
bool EndsChain(const Graph& graph, const IndexMap& moves, ValueId id,
               ValueId source, int depth) {
  const std::vector<NodeId> users = graph.Users(id);
  if (graph.UseCount(id) > users.size()) return true;  // an output, or twice
  for (NodeId user : users) {
    const Node& node = graph.node(user);
    for (ValueId output : node.outputs) {
      if (output == kNone || moves.SourceOf(output) != source) return true;
      if (!IsView(node)) continue;
      if (depth == 0 || EndsChain(graph, moves, output, source, depth - 1)) {
        return true;
      }
    }
  }
  return false;
}

Result<void> FuseAt(Graph& graph, NodeId node, int64_t& work) {
  if (graph.node(node).removed || graph.node(node).outputs.size() != 1 ||
      IsView(graph.node(node))) {
    return {};
  }
  const ValueId id = graph.node(node).outputs[0];
  const IndexMap moves(graph);
  const ValueId source = moves.SourceOf(id);
  if (source == id || graph.IsConstant(source)) return {};
  Chain chain;
  Count(graph, source, id, 0, chain);
  if (chain.moves == 0 || (chain.moves == 1 && !chain.windows)) return {};
  if (!EndsChain(graph, moves, id, source, kMaxDepth)) return {};
  const int64_t cost = chain.nodes * StaticShape(graph, source)->Elements();
  if (cost > work) return {};
  work -= cost;
  BITTERN_TRY_ASSIGN(const std::optional<RowMove> move,
                     RowMoveFrom(graph, source, id));
  if (!move) return {};
  const Shape shape = *StaticShape(graph, id);
  if (move->identity) {
    return RewriteAsReshape(graph, node, source, shape);
  }
  BITTERN_TRY(EmitRowMove(graph, source, move->rows, shape,
                          graph.value(id).name, node));
  return {};
}

}  // namespace

Result<void> FuseRowMoves(Graph& graph, PassContext&) {
  int64_t work = kMaxWork;
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    BITTERN_TRY(FuseAt(graph, static_cast<NodeId>(i), work));
  }
  return {};
}

}  // namespace bittern::convert
