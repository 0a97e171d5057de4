// Finds weights with a scale for each group of inputs while the graph still
// says how they are made: codes [less zero points] times scales, spread, moved
// and cut in any way on their way to the product. MatMulNBits, blocked
// DequantizeLinear and what is written by hand come in that form. Codes, zero
// points and scales are computed apart for every weight and kept for
// recognise_weights; the graph stays as it is.
#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "converter/ir/evaluate.h"
#include "converter/passes/edit.h"
#include "converter/passes/passes.h"
#include "converter/passes/weight_groups.h"

namespace bittern::convert {
namespace {

constexpr int kMaxDepth = 16;  // nodes above a weight
constexpr size_t kMaxNodes = 128;
constexpr std::array<std::string_view, 6> kMoves = {
    "Reshape", "Transpose", "Slice", "Squeeze", "Unsqueeze", "Flatten"};

bool AllZero(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float x) { return x == 0; });
}

// A weight as moves of fl(fl(codes - zeros) * scales); zeros may be absent.
struct WeightFormula {
  std::vector<const Node*> moves;  // from the weight upwards
  ValueId product = kNone, codes = kNone, zeros = kNone, scales = kNone;
  bool sure = true;  // which side of the product is codes
};

bool IsInteger(const Graph& graph, ValueId id) {
  const Node* cast = ProducerIf(graph, id, "Cast");
  return cast != nullptr && graph.value(cast->inputs[0]).type &&
         graph.value(cast->inputs[0]).type->dtype != runtime::DType::kF32;
}

// The side of a product that is codes: a difference, or what was an integer, or
// a constant.
bool TakeCodes(const Graph& graph, ValueId id, WeightFormula& formula) {
  if (const Node* sub = ProducerIf(graph, id, "Sub")) {
    formula.codes = sub->inputs[0];
    formula.zeros = sub->inputs[1];
    return true;
  }
  formula.codes = id;
  formula.zeros = kNone;
  return IsInteger(graph, id);
}

std::optional<WeightFormula> MatchFormula(const Graph& graph, ValueId id) {
  WeightFormula formula;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const Node* node = graph.Producer(id);
    if (node == nullptr) return std::nullopt;
    if (node->op == "Mul") {
      formula.product = id;
      const ValueId a = node->inputs[0], b = node->inputs[1];
      const bool first = TakeCodes(graph, a, formula);
      formula.sure = first || TakeCodes(graph, b, formula);  // else b, to try
      formula.scales = first ? b : a;
      return formula;
    }
    const bool moves =
        std::find(kMoves.begin(), kMoves.end(), node->op) != kMoves.end();
    if (!moves || node->inputs.empty()) return std::nullopt;
    formula.moves.push_back(node);
    id = node->inputs[0];
  }
  return std::nullopt;
}

// A graph of its own that computes one part of a weight.
class PartGraph {
 public:
  explicit PartGraph(const Graph& source) : source_(source) {}

  // The part spread to the shape of the product, then moved as that is; empty
  // if it cannot be computed.
  Result<std::vector<float>> Compute(const WeightFormula& formula,
                                     ValueId part) {
    ValueId id = Copy(part, 0);
    const std::optional<Shape> shape = StaticShape(source_, formula.product);
    if (id == kNone || !shape) return std::vector<float>();
    const std::vector<int64_t> dims(shape->dims().begin(), shape->dims().end());
    const ValueId target =
        graph_.AddI64("shape", {static_cast<int64_t>(dims.size())}, dims);
    id = graph_.Emit("Expand", "part", {id, target}, {}, "part", std::nullopt);
    for (size_t i = formula.moves.size(); i-- > 0;) {
      const Node& move = *formula.moves[i];
      std::vector<ValueId> inputs = {id};
      for (size_t j = 1; j < move.inputs.size(); ++j) {
        inputs.push_back(Copy(move.inputs[j], 0));
        if (inputs.back() == kNone) return std::vector<float>();
      }
      id = graph_.Emit(move.op, "part", inputs, move.attributes, "part",
                       std::nullopt);
    }
    graph_.outputs = {id};
    graph_.output_names = {"part"};
    BITTERN_TRY(graph_.Sort());
    PassContext context;
    BITTERN_TRY(FoldConstants(graph_, context));
    return graph_.F32(graph_.outputs[0]);
  }

 private:
  // The value `id` of the source here, with all that makes it.
  ValueId Copy(ValueId id, int depth) {
    if (id == kNone || depth > kMaxDepth || copies_.size() > kMaxNodes) {
      return kNone;
    }
    if (const auto found = copies_.find(id); found != copies_.end()) {
      return found->second;
    }
    const Value& value = source_.value(id);
    if (value.constant != nullptr) {
      return copies_[id] =
                 graph_.AddConstant(value.name, *value.type, value.constant);
    }
    const Node* node = source_.Producer(id);
    if (node == nullptr || node->outputs.size() != 1) return kNone;
    std::vector<ValueId> inputs;
    for (ValueId input : node->inputs) {
      inputs.push_back(Copy(input, depth + 1));
      if (input != kNone && inputs.back() == kNone) return kNone;
    }
    return copies_[id] = graph_.Emit(node->op, node->name, inputs,
                                     node->attributes, value.name, value.type);
  }

  const Graph& source_;
  Graph graph_;
  std::unordered_map<ValueId, ValueId> copies_;
};

// The parts of a weight of this shape; nothing if the run makes them, or if
// they say no more than its values do.
Result<std::optional<WeightParts>> PartsOf(const Graph& graph,
                                           const WeightFormula& formula,
                                           const Shape& shape) {
  // One scale for a row: its values say as much (value_set.h), unless zero
  // points have fractions or make the codes wider than they are.
  const auto is_row = [&](ValueId part) {
    const std::optional<Shape> own = StaticShape(graph, part);
    return !own || own->Elements() <= shape[1];
  };
  const bool by_row = is_row(formula.scales);
  if (formula.zeros == kNone && (by_row || is_row(formula.codes))) {
    return std::optional<WeightParts>();
  }
  const auto elements = static_cast<size_t>(shape.Elements());
  WeightParts parts;
  for (const auto& [part, values] :
       {std::pair(formula.codes, &parts.codes),
        std::pair(formula.zeros, &parts.zeros),
        std::pair(formula.scales, &parts.scales)}) {
    if (part == kNone) continue;
    BITTERN_TRY_ASSIGN(*values, PartGraph(graph).Compute(formula, part));
    if (values->size() != elements) return std::optional<WeightParts>();
    if (by_row && part == formula.zeros && AllZero(*values)) {
      return std::optional<WeightParts>();
    }
  }
  return std::optional(std::move(parts));
}

Result<std::optional<GroupedWeights>> GroupsOf(const Graph& graph,
                                               const WeightFormula& formula,
                                               const Shape& shape) {
  BITTERN_TRY_ASSIGN(const std::optional<WeightParts> parts,
                     PartsOf(graph, formula, shape));
  if (!parts) return std::optional<GroupedWeights>();
  const auto k = static_cast<size_t>(shape[0]);
  std::optional<GroupedWeights> groups =
      GroupWeights(*parts, k, static_cast<size_t>(shape[1]));
  // One group for a row whose zero points fold away: values say as much.
  if (groups && groups->block == k && groups->zeros.empty()) groups.reset();
  return groups;
}

Result<void> FindGroupsOf(Graph& graph, ValueId weight, PassContext& context) {
  const std::optional<Shape> shape = StaticShape(graph, weight);
  if (!shape || shape->rank() != 2 || shape->Elements() == 0 ||
      graph.IsConstant(weight)) {
    return {};
  }
  std::optional<WeightFormula> formula = MatchFormula(graph, weight);
  if (!formula) return {};
  BITTERN_TRY_ASSIGN(auto groups, GroupsOf(graph, *formula, *shape));
  if (!groups && !formula->sure) {
    std::swap(formula->codes, formula->scales);
    BITTERN_TRY_ASSIGN(groups, GroupsOf(graph, *formula, *shape));
  }
  if (!groups) return {};
  const std::string name = graph.value(weight).name;
  graph.notes.push_back("'" + name + "': " + groups->Text());
  context.groups.emplace(name, std::move(*groups));
  return {};
}

}  // namespace

Result<void> FindGroups(Graph& graph, PassContext& context) {
  std::unordered_set<ValueId> seen;  // many products may share a weight
  for (const Node& node : graph.nodes()) {
    if (node.removed || node.op != "MatMul") continue;
    if (!seen.insert(node.inputs[1]).second) continue;
    BITTERN_TRY(FindGroupsOf(graph, node.inputs[1], context));
  }
  return {};
}

}  // namespace bittern::convert
