// Chooses where rows are moved, so that a transformer of windows moves them
// once a block. First a Gather of rows goes in front of the row-wise nodes it
// follows, f(x) gathered -> f of x gathered, up to a value that others read.
// Then, where moved rows are added to x, of which the same windows have been
// taken at the start of the block,
//   x + b[back]  ->  (x[there] + b)[back]     (back undoes there)
// and what is computed from that row by row stays in the order of the windows,
// until a reader wants another one. The sums and their order are the same.
// fuse_row_moves, which follows, makes one Gather of two that meet.
#include <map>
#include <utility>

#include "converter/ir/evaluate.h"
#include "converter/passes/passes.h"
#include "converter/passes/row_moves.h"

namespace bittern::convert {
namespace {

constexpr int kMaxMoves = 8;  // nodes from a value to its moved rows

bool IsGather(const Graph& graph, ValueId id) {
  const Node* node = graph.Producer(id);
  for (int i = 0; i < kMaxMoves && node != nullptr; ++i) {
    if (node->op == "Gather") return true;
    if (node->op != "Reshape") return false;
    node = graph.Producer(node->inputs[0]);
  }
  return false;
}

// `shape` with another last dimension.
Shape WithLast(Shape shape, int64_t last) {
  shape[shape.rank() - 1] = last;
  return shape;
}

// A copy of row-wise `node` on x, whose rows are in another order and shape.
Result<ValueId> EmitOn(Graph& graph, const Node& node, ValueId x,
                       const std::string& suffix) {
  const Node copy = node;
  std::vector<ValueId> inputs = copy.inputs;
  inputs[*RowInput(graph, copy)] = x;
  return Emit(graph, copy.op, copy.name, inputs, copy.attributes,
              graph.value(copy.outputs[0]).name + suffix);
}

class Hoister {
 public:
  explicit Hoister(Graph& graph) : graph_(graph) {}

  // One step for the moved rows that node `id` makes.
  Result<bool> Step(NodeId id) {
    if (graph_.node(id).removed || graph_.node(id).outputs.size() != 1) {
      return false;
    }
    const ValueId moved = graph_.node(id).outputs[0];
    if (!IsGather(graph_, moved) || IsReshaped(moved) || IsAdded(moved)) {
      return false;
    }
    const ValueId source = IndexMap(graph_).SourceOf(moved);
    const NodeId maker = graph_.ProducerId(source);
    if (maker == kNone || !OnlyUser(graph_, source)) return false;
    const std::optional<size_t> input = RowInput(graph_, graph_.node(maker));
    if (!input) return false;
    const ValueId x = graph_.node(maker).inputs[*input];
    const int64_t in = StaticShape(graph_, x)->Last();
    const Shape out = *StaticShape(graph_, source);
    if (in > out.Last() ||
        graph_.value(x).type->dtype != runtime::DType::kF32 ||
        StaticShape(graph_, x)->Leading() != out.Leading()) {
      return false;
    }
    BITTERN_TRY_ASSIGN(const auto move, RowMoveFrom(graph_, source, moved));
    const Shape shape = *StaticShape(graph_, moved);
    if (!move || shape.Last() != out.Last() ||
        static_cast<int64_t>(move->rows.size()) > out.Leading()) {
      return false;
    }
    BITTERN_TRY_ASSIGN(const ValueId rows,
                       EmitRowMove(graph_, x, move->rows, WithLast(shape, in),
                                   graph_.value(source).name));
    const Node copy = graph_.node(maker);
    std::vector<ValueId> inputs = copy.inputs;
    inputs[*input] = rows;
    graph_.node(id).name = copy.name;
    BITTERN_TRY(Rewrite(graph_, id, copy.op, inputs, copy.attributes));
    return true;
  }

 private:
  // Whether only a Reshape that keeps rows reads it: then that is the end.
  bool IsReshaped(ValueId id) const {
    const auto user = OnlyUserIf(graph_, id, "Reshape");
    if (!user) return false;
    return StaticShape(graph_, graph_.node(*user).outputs[0])->Last() ==
           StaticShape(graph_, id)->Last();
  }

  // Moved rows that are added to others are what the second step looks for.
  bool IsAdded(ValueId id) const {
    for (NodeId user : graph_.Users(id)) {
      const Node& node = graph_.node(user);
      if (node.op == "Add" && ConstantOperand(graph_, node) == kNone) {
        return true;
      }
    }
    return false;
  }

  Graph& graph_;
};

// A value whose rows exist in another order: row i is rows[i] of `base`.
struct Deferred {
  ValueId base = kNone;
  std::vector<int64_t> rows;
  ValueId settled = kNone;  // moved to the order it has, when somebody asked
};

class Deferrer {
 public:
  explicit Deferrer(Graph& graph) : graph_(graph) {}

  Result<void> Visit(NodeId id) {
    BITTERN_TRY_ASSIGN(const bool deferred, Defer(id));
    if (!deferred) BITTERN_TRY(SettleInputs(id));
    return {};
  }

  Result<void> SettleOutputs() {
    for (ValueId& output : graph_.outputs) {
      BITTERN_TRY_ASSIGN(output, Settle(output));
    }
    return {};
  }

 private:
  Result<bool> Defer(NodeId id) {
    const Node& node = graph_.node(id);
    if (node.op == "Add" && !graph_.IsConstant(node.inputs[0]) &&
        !graph_.IsConstant(node.inputs[1])) {
      return DeferSum(id);
    }
    if (node.inputs.empty()) return false;
    const std::optional<size_t> row_input = RowInput(graph_, node);
    const auto found = deferred_.find(node.inputs[row_input.value_or(0)]);
    if (found == deferred_.end()) return false;
    const Deferred input = found->second;
    if (node.op == "Reshape" && KeepsRows(node) && !IsGathered(node)) {
      deferred_[node.outputs[0]] = {input.base, input.rows, kNone};
      return true;
    }
    // Codes cannot be moved, so they must not need to be.
    if (!row_input || !EndsInFloats(node.outputs[0])) return false;
    BITTERN_TRY_ASSIGN(const ValueId base,
                       EmitOn(graph_, node, input.base, ".windows"));
    deferred_[graph_.node(id).outputs[0]] = {base, input.rows, kNone};
    return true;
  }

  bool KeepsRows(const Node& node) const {
    return StaticShape(graph_, node.outputs[0])->Last() ==
           StaticShape(graph_, node.inputs[0])->Last();
  }

  bool IsGathered(const Node& node) const {
    for (NodeId user : graph_.Users(node.outputs[0])) {
      if (graph_.node(user).op == "Gather") return true;
    }
    return false;
  }

  // Whether all that reads codes, row by row, gives floats again.
  bool EndsInFloats(ValueId id) const {
    if (graph_.value(id).type->dtype == runtime::DType::kF32) return true;
    if (graph_.UseCount(id) != graph_.Users(id).size()) return false;
    for (NodeId user : graph_.Users(id)) {
      const Node& node = graph_.node(user);
      if (!RowInput(graph_, node) || !EndsInFloats(node.outputs[0])) {
        return false;
      }
    }
    return true;
  }

  Result<bool> DeferSum(NodeId id) {
    const ValueId a = graph_.node(id).inputs[0], b = graph_.node(id).inputs[1];
    if (StaticShape(graph_, a) != StaticShape(graph_, b)) return false;
    const auto first = deferred_.find(a), second = deferred_.find(b);
    if (first != deferred_.end() && second != deferred_.end() &&
        first->second.rows == second->second.rows) {
      const Deferred x = first->second;
      return DeferAs(id, x.base, second->second.base, x.rows);
    }
    BITTERN_TRY_ASSIGN(const bool right, DeferBack(id, a, b));
    if (right) return true;
    return DeferBack(id, b, a);
  }

  // x + back, where `back` is moved rows and x has a reader of the inverse.
  Result<bool> DeferBack(NodeId id, ValueId x, ValueId back) {
    const ValueId source = IndexMap(graph_).SourceOf(back);
    if (!IsGather(graph_, back) || source == back) return false;
    BITTERN_TRY_ASSIGN(const auto move, RowMoveFrom(graph_, source, back));
    if (!move || !IsPermutation(move->rows) ||
        move->width != StaticShape(graph_, back)->Last() ||
        StaticShape(graph_, source)->Leading() !=
            static_cast<int64_t>(move->rows.size())) {
      return false;
    }
    const std::vector<int64_t> there = InverseOf(move->rows);
    ValueId own = x;
    if (const auto found = deferred_.find(x); found != deferred_.end()) {
      own = found->second.settled;
      if (own == kNone) return false;
    }
    BITTERN_TRY_ASSIGN(const ValueId moved, FindMoved(own, there));
    if (moved == kNone) return false;
    return DeferAs(id, moved, source, move->rows);
  }

  Result<bool> DeferAs(NodeId id, ValueId a, ValueId b,
                       const std::vector<int64_t>& rows) {
    const std::string name = graph_.node(id).name;
    const ValueId sum = graph_.node(id).outputs[0];
    const std::string output = graph_.value(sum).name;
    const Shape shape = *StaticShape(graph_, b);
    if (*StaticShape(graph_, a) != shape) {
      BITTERN_TRY_ASSIGN(a, EmitReshape(graph_, name, a, shape, output + ".x"));
    }
    BITTERN_TRY_ASSIGN(const ValueId base, Emit(graph_, "Add", name, {a, b}, {},
                                                output + ".windows"));
    deferred_[sum] = {base, rows, kNone};
    return true;
  }

  // The value below `x` that is these rows of it.
  Result<ValueId> FindMoved(ValueId x, const std::vector<int64_t>& rows) {
    for (NodeId user : graph_.Users(x)) {
      NodeId at = user;
      for (int i = 0; i < kMaxMoves; ++i) {
        const Node& node = graph_.node(at);
        if (node.op != "Reshape" && node.op != "Gather") break;
        if (!graph_.IsConstant(node.inputs[1])) break;
        const ValueId id = node.outputs[0];
        if (IsGather(graph_, id)) {
          BITTERN_TRY_ASSIGN(const auto move, RowMoveFrom(graph_, x, id));
          if (move && move->rows == rows) return id;
        }
        const std::optional<NodeId> next = OnlyUser(graph_, id);
        if (!next) break;
        at = *next;
      }
    }
    return kNone;
  }

  Result<void> SettleInputs(NodeId id) {
    for (size_t i = 0; i < graph_.node(id).inputs.size(); ++i) {
      const ValueId input = graph_.node(id).inputs[i];
      if (input == kNone) continue;
      BITTERN_TRY_ASSIGN(const ValueId settled, Settle(input));
      graph_.node(id).inputs[i] = settled;
    }
    return {};
  }

  Result<ValueId> Settle(ValueId id) {
    const auto found = deferred_.find(id);
    if (found == deferred_.end()) return id;
    if (found->second.settled == kNone) {
      const Deferred value = found->second;
      BITTERN_TRY_ASSIGN(
          const ValueId settled,
          EmitRowMove(graph_, value.base, value.rows, *StaticShape(graph_, id),
                      graph_.value(id).name + ".back"));
      deferred_[id].settled = settled;
    }
    return deferred_[id].settled;
  }

  Graph& graph_;
  std::map<ValueId, Deferred> deferred_;
};

Result<void> Hoist(Graph& graph) {
  Hoister hoister(graph);
  bool moved = true;
  while (moved) {
    moved = false;
    const size_t nodes = graph.nodes().size();
    for (size_t i = 0; i < nodes; ++i) {
      BITTERN_TRY_ASSIGN(const bool step, hoister.Step(static_cast<NodeId>(i)));
      moved = moved || step;
    }
  }
  graph.RemoveDead();
  return graph.Sort();
}

}  // namespace

Result<void> PlaceRowMoves(Graph& graph, PassContext&) {
  BITTERN_TRY(Hoist(graph));
  Deferrer deferrer(graph);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    BITTERN_TRY(deferrer.Visit(static_cast<NodeId>(i)));
  }
  BITTERN_TRY(deferrer.SettleOutputs());
  graph.RemoveDead();
  BITTERN_TRY(graph.Sort());
  return Hoist(graph);
}

}  // namespace bittern::convert
