// A fused projection of queries, keys and values becomes several, so that each
// can have an epilogue of its own:
//   Linear [B,N,3*H*d] -> any moves (Reshape [B,N,3,H,d] and Transpose, Split,
//   Gather, Slice, chunks of the last dimension ...) -> part i
// becomes
//   Linear of the columns of part i [B,N,H*d] [-> Reshape [B,N,H,d] [->
//   Transpose]]
// with the same products in the same order. A part is a range of columns. Only
// linears of quantised inputs are split: a float one stays a single, larger
// product.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "converter/passes/few_levels.h"
#include "converter/passes/index_map.h"
#include "converter/passes/linear_chain.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr size_t kMaxParts = 16;

// Columns [begin, end) of the result, reshaped to `shape` and transposed.
struct Part {
  ValueId value;
  int64_t begin, end;
  Shape shape;
  std::vector<int64_t> perm;  // empty: none
};

struct FusedProjection {
  LinearChain linear;
  std::vector<Part> parts;
};

// Values that are moved parts of `result` and that something else reads; false
// if `result` itself is one.
bool CollectParts(const Graph& graph, ValueId result,
                  std::vector<ValueId>& parts) {
  const IndexMap moves(graph);
  std::vector<ValueId> open = {result};
  while (!open.empty()) {
    const ValueId id = open.back();
    open.pop_back();
    bool read = graph.UseCount(id) != graph.Users(id).size();
    for (NodeId user : graph.Users(id)) {
      for (ValueId output : graph.node(user).outputs) {
        if (output == kNone) continue;
        if (moves.SourceOf(output) == result) {
          if (graph.UseCount(output) > 0) open.push_back(output);
        } else {
          read = true;
        }
      }
    }
    if (!read) continue;
    if (id == result || parts.size() == kMaxParts) return false;
    if (std::find(parts.begin(), parts.end(), id) == parts.end()) {
      parts.push_back(id);
    }
  }
  std::sort(parts.begin(), parts.end());
  return parts.size() > 1;
}

// Whether element i of a tensor `to` is element map[i] of one with the axes
// `perm` of it in order.
bool IsTransposed(const std::vector<int64_t>& map, const Shape& to,
                  const std::vector<int64_t>& perm) {
  std::vector<int64_t> steps(to.rank());  // of the axes of `to`
  int64_t step = 1;
  for (size_t axis = to.rank(); axis-- > 0;) {
    for (size_t i = 0; i < perm.size(); ++i) {
      if (perm[i] != static_cast<int64_t>(axis)) continue;
      steps[i] = step;
      step *= to[i];
    }
  }
  for (size_t i = 0; i < map.size(); ++i) {
    auto rest = static_cast<int64_t>(i);
    int64_t from = 0;
    for (size_t axis = to.rank(); axis-- > 0;) {
      from += rest % to[axis] * steps[axis];
      rest /= to[axis];
    }
    if (map[i] != from) return false;
  }
  return true;
}

// `value` as a range of columns of `result`.
Result<std::optional<Part>> PartOf(const Graph& graph, ValueId result,
                                   ValueId value) {
  const std::optional<Part> none;
  IndexMap moves(graph);
  if (!moves.Takes(result, value)) return none;
  BITTERN_TRY_ASSIGN(const std::vector<int32_t> from,
                     moves.From(result, value));
  const Shape shape = *StaticShape(graph, value);
  const int64_t width = StaticShape(graph, result)->Last();
  const int64_t rows = StaticShape(graph, result)->Leading();
  if (from.empty() || static_cast<int64_t>(from.size()) % rows != 0) {
    return none;
  }
  Part part{
      value, *std::min_element(from.begin(), from.end()) % width, 0, shape, {}};
  const int64_t columns = static_cast<int64_t>(from.size()) / rows;
  part.end = part.begin + columns;
  std::vector<int64_t> map;  // into the part alone
  for (const int32_t index : from) {
    const int64_t column = index % width - part.begin;
    if (column < 0 || column >= columns) return none;
    map.push_back(index / width * columns + column);
  }
  for (const std::vector<int64_t>& perm :
       {std::vector<int64_t>{}, {0, 2, 1, 3}, {0, 2, 3, 1}}) {
    if (!perm.empty() && perm.size() != shape.rank()) continue;
    std::vector<int64_t> axes = perm;
    for (size_t i = 0; perm.empty() && i < shape.rank(); ++i) {
      axes.push_back(static_cast<int64_t>(i));
    }
    if (!IsTransposed(map, shape, axes)) continue;
    for (size_t i = 0; i < perm.size(); ++i) {
      part.shape[static_cast<size_t>(perm[i])] = shape[i];
    }
    part.perm = perm;
    return std::optional(part);
  }
  return none;
}

Result<std::optional<FusedProjection>> MatchFused(const Graph& graph,
                                                  NodeId id) {
  const std::optional<FusedProjection> none;
  const std::optional<LinearChain> linear = MatchLinear(graph, id);
  if (!linear || !HasFewLevels(graph, linear->input)) return none;
  const ValueId result = graph.node(linear->last).outputs[0];
  std::vector<ValueId> values;
  if (!StaticShape(graph, result) || !CollectParts(graph, result, values)) {
    return none;
  }
  FusedProjection fused{*linear, {}};
  int64_t columns = 0;
  for (ValueId value : values) {
    BITTERN_TRY_ASSIGN(const auto part, PartOf(graph, result, value));
    if (!part) return none;
    columns += part->end - part->begin;
    fused.parts.push_back(*part);
  }
  if (columns > linear->n) return none;  // some would be computed twice
  return std::optional(fused);
}

// Elements [begin, end) of the last axis of a constant, unless it is a scalar.
Result<ValueId> SliceLast(Graph& graph, ValueId constant, int64_t begin,
                          int64_t end) {
  const Shape shape = *StaticShape(graph, constant);
  if (shape.Elements() == 1) return constant;
  const std::string name =
      fmt::format("{}[{}:{}]", graph.value(constant).name, begin, end);
  return Emit(graph, "Slice", name, {constant},
              {{"axes", std::vector{static_cast<int64_t>(shape.rank()) - 1}},
               {"starts", std::vector{begin}},
               {"ends", std::vector{end}},
               {"steps", std::vector<int64_t>{1}}},
              name);
}

Result<void> SplitPart(Graph& graph, const FusedProjection& fused,
                       const Part& part) {
  const LinearChain& linear = fused.linear;
  const std::string range = fmt::format("[{}:{}]", part.begin, part.end);
  const std::string name = graph.node(linear.matmul).name + range;
  const auto output_of = [&](NodeId node) {
    return graph.value(graph.node(node).outputs[0]).name + range;
  };
  BITTERN_TRY_ASSIGN(const ValueId weight,
                     SliceLast(graph, linear.weight, part.begin, part.end));
  NodeId source = linear.matmul;
  BITTERN_TRY_ASSIGN(ValueId y,
                     Emit(graph, "MatMul", name, {linear.input, weight}, {},
                          output_of(source)));
  const auto combine = [&](const char* op, ValueId constant) -> Result<void> {
    if (constant == kNone) return {};
    source = *OnlyUser(graph, graph.node(source).outputs[0]);
    BITTERN_TRY_ASSIGN(const ValueId slice,
                       SliceLast(graph, constant, part.begin, part.end));
    BITTERN_TRY_ASSIGN(y, Emit(graph, op, graph.node(source).name + range,
                               {y, slice}, {}, output_of(source)));
    return {};
  };
  BITTERN_TRY(combine("Mul", linear.factor));
  BITTERN_TRY(combine("Add", linear.offset));
  if (*StaticShape(graph, y) != part.shape) {
    BITTERN_TRY_ASSIGN(y, EmitReshape(graph, name, y, part.shape,
                                      output_of(source) + ".heads"));
  }
  const NodeId maker = graph.ProducerId(part.value);
  if (!part.perm.empty() && graph.node(maker).outputs.size() == 1) {
    return Rewrite(graph, maker, "Transpose", {y}, {{"perm", part.perm}});
  }
  if (!part.perm.empty()) {
    BITTERN_TRY_ASSIGN(y, Emit(graph, "Transpose", name, {y},
                               {{"perm", part.perm}}, name + ".transposed"));
  }
  graph.ReplaceUses(part.value, y);
  return {};
}

}  // namespace

Result<void> SplitHeads(Graph& graph, PassContext&) {
  int count = 0;
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    BITTERN_TRY_ASSIGN(const auto fused,
                       MatchFused(graph, static_cast<NodeId>(i)));
    if (!fused) continue;
    for (const Part& part : fused->parts) {
      BITTERN_TRY(SplitPart(graph, *fused, part));
    }
    ++count;
  }
  if (count > 0) {
    graph.notes.push_back(
        fmt::format("fused query-key-value projections split: {}", count));
  }
  return {};
}

}  // namespace bittern::convert
