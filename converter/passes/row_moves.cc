// Rows as runs of whole elements of the map between two values.
#include "converter/passes/row_moves.h"

#include <algorithm>
#include <array>

#include "converter/passes/low_bit_linear.h"

namespace bittern::convert {
namespace {

constexpr std::array<std::string_view, 16> kUnary = {
    "Neg",  "Abs",  "Sqrt",  "Exp",  "Log",  "Erf",   "Tanh", "Sigmoid",
    "Relu", "Sign", "Round", "Clip", "Gelu", "Floor", "Ceil", "Reciprocal"};
constexpr std::array<std::string_view, 4> kRows = {
    "LayerNorm", "LayerNormBinarize", "Binarize", "Softmax"};
constexpr std::array<std::string_view, 6> kBinary = {"Add", "Sub", "Mul",
                                                     "Div", "Min", "Max"};

template <size_t kSize>
bool Contains(const std::array<std::string_view, kSize>& list,
              std::string_view op) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

// The only input that is no constant.
std::optional<size_t> OnlyVariable(const Graph& graph, const Node& node) {
  std::optional<size_t> only;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone || graph.IsConstant(node.inputs[i])) continue;
    if (only) return std::nullopt;
    only = i;
  }
  return only;
}

// One value, or one for each column; of few dimensions, so that the result has
// those of the rows.
bool IsByColumn(const Graph& graph, ValueId constant, int64_t columns) {
  const std::optional<Shape> shape = StaticShape(graph, constant);
  return shape && shape->rank() <= 2 &&
         (shape->Elements() == 1 ||
          (shape->Elements() == columns && shape->Last() == columns));
}

bool IsRowWise(const Graph& graph, const Node& node, size_t input) {
  const std::optional<Shape> in = StaticShape(graph, node.inputs[input]);
  const std::optional<Shape> out = StaticShape(graph, node.outputs[0]);
  if (!in || !out || in->rank() == 0 || out->rank() == 0) return false;
  if (in->Elements() == 0 || out->Elements() == 0) return false;
  if (Contains(kBinary, node.op)) {
    return node.inputs.size() == 2 && in == out &&
           IsByColumn(graph, node.inputs[1 - input], in->Last());
  }
  if (input != 0) return false;
  if (node.op == "LowBitLinear") {
    const std::vector<ValueId> inputs = LowBitInputsOf(node);
    return inputs[kResidualInput] == kNone && inputs[kRowScaleInput] == kNone &&
           inputs[kRowTermInput] == kNone;
  }
  if (Contains(kUnary, node.op) || Contains(kRows, node.op)) return true;
  if (node.op == "Quantize" || node.op == "Dequantize") {
    return StringOf(node, "per") != "row";
  }
  return node.op == "MatMul" && in->rank() > 1 &&
         StaticShape(graph, node.inputs[1])->rank() == 2;
}

}  // namespace

Result<std::optional<RowMove>> RowMoveFrom(const Graph& graph, ValueId source,
                                           ValueId id) {
  const std::optional<Shape> from = StaticShape(graph, source);
  const std::optional<Shape> to = StaticShape(graph, id);
  if (!from || !to || from->rank() == 0 || from->Last() < 2 ||
      to->Elements() == 0 || to->Elements() % from->Last() != 0) {
    return std::optional<RowMove>();
  }
  IndexMap moves(graph);
  if (!moves.Takes(source, id)) return std::optional<RowMove>();
  BITTERN_TRY_ASSIGN(const std::vector<int32_t> map, moves.From(source, id));
  RowMove move;
  move.source = source;
  move.width = from->Last();
  for (size_t i = 0; i < map.size(); ++i) {
    const auto column = static_cast<int64_t>(i) % move.width;
    if (column == 0) {
      if (map[i] % move.width != 0) return std::optional<RowMove>();
      move.rows.push_back(map[i] / move.width);
    }
    if (map[i] != move.rows.back() * move.width + column) {
      return std::optional<RowMove>();
    }
  }
  move.identity = IsIdentityMap(map, from->Elements());
  return std::optional(std::move(move));
}

bool IsPermutation(const std::vector<int64_t>& rows) {
  std::vector<bool> seen(rows.size(), false);
  for (const int64_t row : rows) {
    if (row < 0 || row >= static_cast<int64_t>(rows.size())) return false;
    if (seen[static_cast<size_t>(row)]) return false;
    seen[static_cast<size_t>(row)] = true;
  }
  return true;
}

std::vector<int64_t> InverseOf(const std::vector<int64_t>& rows) {
  std::vector<int64_t> inverse(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    inverse[static_cast<size_t>(rows[i])] = static_cast<int64_t>(i);
  }
  return inverse;
}

Result<ValueId> EmitRowMove(Graph& graph, ValueId x,
                            const std::vector<int64_t>& rows,
                            const Shape& shape, std::string name, NodeId last) {
  const Shape own = *StaticShape(graph, x);
  const int64_t width = own.Last();
  const Shape flat{own.Elements() / width, width};
  const auto count = static_cast<int64_t>(rows.size());
  if (own != flat) {
    BITTERN_TRY_ASSIGN(x, EmitReshape(graph, name, x, flat, name + ".flat"));
  }
  const ValueId index = graph.AddI64(name + ".rows", {count}, rows);
  const AttributeMap axis = {{"axis", int64_t{0}}};
  if (last != kNone && shape == Shape{count, width}) {
    BITTERN_TRY(Rewrite(graph, last, "Gather", {x, index}, axis));
    return graph.node(last).outputs[0];
  }
  BITTERN_TRY_ASSIGN(
      x, Emit(graph, "Gather", name, {x, index}, axis, name + ".moved"));
  if (last != kNone) {
    BITTERN_TRY(RewriteAsReshape(graph, last, x, shape));
    return graph.node(last).outputs[0];
  }
  if (shape == Shape{count, width}) return x;
  return EmitReshape(graph, name, x, shape, name + ".shaped");
}

std::optional<size_t> RowInput(const Graph& graph, const Node& node) {
  const std::optional<size_t> input = OnlyVariable(graph, node);
  if (!input || node.outputs.size() != 1 || !IsRowWise(graph, node, *input)) {
    return std::nullopt;
  }
  return input;
}

}  // namespace bittern::convert
