// A fused projection of queries, keys and values becomes three, so that each
// can have an epilogue of its own:
//   Linear [B,N,3*H*d] -> Reshape [B,N,3,H,d] -> Transpose (2,0,3,1,4) -> part
//   i
// (by Split and Squeeze, Gather or Slice and Squeeze) becomes
//   Linear of the rows of part i [B,N,H*d] -> Reshape [B,N,H,d] -> Transpose
// with the same products in the same order. Only linears of signs are split: a
// float one stays a single, larger product.
#include <fmt/format.h>

#include <vector>

#include "converter/passes/linear_chain.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

struct Part {
  NodeId node;    // makes the [B,H,N,d] value
  int64_t index;  // which of the parts
};

struct FusedProjection {
  LinearChain linear;
  Shape split;  // [B,N,parts,H,d]
  std::vector<Part> parts;
};

bool SqueezesFirstAxis(const Graph& graph, const Node& node) {
  return node.op == "Squeeze" &&
         IntsOf(node, "axes") == std::vector<int64_t>{0} &&
         graph.value(node.outputs[0]).type.has_value();
}

// Parts taken by one Split into single slices; false if it does not fit.
bool CollectSplit(const Graph& graph, const Node& split,
                  std::vector<Part>& parts) {
  if (IntOf(split, "axis", 0) != 0) return false;
  for (size_t i = 0; i < split.outputs.size(); ++i) {
    const std::optional<Shape> shape = StaticShape(graph, split.outputs[i]);
    if (!shape || (*shape)[0] != 1) return false;
    for (NodeId user : graph.Users(split.outputs[i])) {
      if (!SqueezesFirstAxis(graph, graph.node(user))) return false;
      parts.push_back({user, static_cast<int64_t>(i)});
    }
  }
  return true;
}

bool CollectSlice(const Graph& graph, const Node& slice, int64_t count,
                  std::vector<Part>& parts) {
  const std::vector<int64_t> starts = IntsOf(slice, "starts");
  const std::optional<Shape> shape = StaticShape(graph, slice.outputs[0]);
  if (IntsOf(slice, "axes") != std::vector<int64_t>{0} || starts.size() != 1 ||
      !shape || (*shape)[0] != 1) {
    return false;
  }
  const int64_t index = starts[0] < 0 ? starts[0] + count : starts[0];
  if (index < 0 || index >= count) return false;
  for (NodeId user : graph.Users(slice.outputs[0])) {
    if (!SqueezesFirstAxis(graph, graph.node(user))) return false;
    parts.push_back({user, index});
  }
  return true;
}

bool CollectGather(const Graph& graph, NodeId id, int64_t count,
                   std::vector<Part>& parts) {
  const Node& gather = graph.node(id);
  const std::vector<int64_t> index = graph.I64(gather.inputs[1]);
  const std::optional<Shape> shape = StaticShape(graph, gather.outputs[0]);
  if (IntOf(gather, "axis", 0) != 0 || index.size() != 1 || !shape ||
      shape->rank() != 4) {
    return false;
  }
  const int64_t wrapped = index[0] < 0 ? index[0] + count : index[0];
  if (wrapped < 0 || wrapped >= count) return false;
  parts.push_back({id, wrapped});
  return true;
}

bool CollectParts(const Graph& graph, ValueId heads, int64_t count,
                  std::vector<Part>& parts) {
  for (NodeId id : graph.Users(heads)) {
    const Node& user = graph.node(id);
    const bool fits =
        user.op == "Split"    ? CollectSplit(graph, user, parts)
        : user.op == "Slice"  ? CollectSlice(graph, user, count, parts)
        : user.op == "Gather" ? CollectGather(graph, id, count, parts)
                              : false;
    if (!fits) return false;
  }
  return !parts.empty();
}

std::optional<FusedProjection> MatchFused(const Graph& graph, NodeId id) {
  const std::optional<LinearChain> linear = MatchLinear(graph, id);
  if (!linear || ProducerIf(graph, linear->input, "Sign") == nullptr) {
    return std::nullopt;
  }
  const ValueId result = graph.node(linear->last).outputs[0];
  const std::optional<NodeId> reshape = OnlyUserIf(graph, result, "Reshape");
  if (!reshape) return std::nullopt;
  const ValueId five = graph.node(*reshape).outputs[0];
  const std::optional<NodeId> transpose = OnlyUserIf(graph, five, "Transpose");
  const std::optional<Shape> flat = StaticShape(graph, result);
  const std::optional<Shape> split = StaticShape(graph, five);
  if (!transpose || !flat || !split || flat->rank() != 3 ||
      split->rank() != 5 || (*split)[0] != (*flat)[0] ||
      (*split)[1] != (*flat)[1] ||
      IntsOf(graph.node(*transpose), "perm") !=
          std::vector<int64_t>{2, 0, 3, 1, 4}) {
    return std::nullopt;
  }
  FusedProjection fused{*linear, *split, {}};
  const ValueId heads = graph.node(*transpose).outputs[0];
  if (graph.UseCount(heads) != graph.Users(heads).size() ||
      !CollectParts(graph, heads, (*split)[2], fused.parts)) {
    return std::nullopt;
  }
  return fused;
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

Result<void> SplitPart(Graph& graph, const FusedProjection& fused, Part part) {
  const LinearChain& linear = fused.linear;
  const int64_t width = fused.split[3] * fused.split[4];
  const int64_t begin = part.index * width, end = begin + width;
  const std::string range = fmt::format("[{}:{}]", begin, end);
  const std::string name = graph.node(linear.matmul).name + range;
  const auto output_of = [&](NodeId node) {
    return graph.value(graph.node(node).outputs[0]).name + range;
  };
  BITTERN_TRY_ASSIGN(const ValueId weight,
                     SliceLast(graph, linear.weight, begin, end));
  NodeId source = linear.matmul;
  BITTERN_TRY_ASSIGN(ValueId y,
                     Emit(graph, "MatMul", name, {linear.input, weight}, {},
                          output_of(source)));
  const auto combine = [&](const char* op, ValueId constant) -> Result<void> {
    if (constant == kNone) return {};
    source = *OnlyUser(graph, graph.node(source).outputs[0]);
    BITTERN_TRY_ASSIGN(const ValueId slice,
                       SliceLast(graph, constant, begin, end));
    BITTERN_TRY_ASSIGN(y, Emit(graph, op, graph.node(source).name + range,
                               {y, slice}, {}, output_of(source)));
    return {};
  };
  BITTERN_TRY(combine("Mul", linear.factor));
  BITTERN_TRY(combine("Add", linear.offset));
  const Shape four{fused.split[0], fused.split[1], fused.split[3],
                   fused.split[4]};
  BITTERN_TRY_ASSIGN(
      const ValueId heads,
      EmitReshape(graph, name, y, four, output_of(source) + ".heads"));
  return Rewrite(graph, part.node, "Transpose", {heads},
                 {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
}

}  // namespace

Result<void> SplitHeads(Graph& graph, PassContext&) {
  int count = 0;
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const std::optional<FusedProjection> fused =
        MatchFused(graph, static_cast<NodeId>(i));
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
