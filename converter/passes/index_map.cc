// Walks up the chain, then evaluates it downwards from numbered elements.
#include "converter/passes/index_map.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "converter/ir/evaluate.h"

namespace bittern::convert {
namespace {

constexpr int kMaxDepth = 64;    // nodes of a chain
constexpr int kMaxSteps = 4096;  // of all its branches, each counted
constexpr int64_t kMaxElements = int64_t{1} << 24;
// Those whose other inputs, if any, are constants.
constexpr std::array<std::string_view, 9> kMoves = {
    "Reshape", "Transpose", "Slice",    "Split",  "Gather",
    "Squeeze", "Unsqueeze", "Identity", "Flatten"};

bool IsSmall(const Graph& graph, ValueId id) {
  const std::optional<Shape> shape = StaticShape(graph, id);
  return shape && shape->Elements() <= kMaxElements;
}

Result<ConstantData> Numbered(size_t count) {
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                     runtime::AlignedBuffer::Make(std::max<size_t>(count, 1) *
                                                  sizeof(int32_t)));
  auto* numbers = reinterpret_cast<int32_t*>(buffer.data());
  std::iota(numbers, numbers + count, 0);
  return std::make_shared<const runtime::AlignedBuffer>(std::move(buffer));
}

}  // namespace

std::optional<float> IndexMap::ScalarFactor(const Node& node) const {
  if (!through_scalars_ || (node.op != "Mul" && node.op != "Div")) {
    return std::nullopt;
  }
  const ValueId constant = ConstantOperand(graph_, node);
  if (constant == kNone || (node.op == "Div" && constant != node.inputs[1])) {
    return std::nullopt;
  }
  const ValueId x = OtherInput(node, constant);
  if (StaticShape(graph_, x) != StaticShape(graph_, node.outputs[0])) {
    return std::nullopt;
  }
  const std::optional<float> scalar = ScalarOf(graph_, constant);
  return scalar && node.op == "Div" ? 1.0f / *scalar : scalar;
}

ValueId IndexMap::MovedInput(const Node& node) const {
  if (ScalarFactor(node)) {
    return OtherInput(node, ConstantOperand(graph_, node));
  }
  if (std::find(kMoves.begin(), kMoves.end(), node.op) == kMoves.end() ||
      graph_.IsConstant(node.inputs[0])) {
    return kNone;
  }
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!graph_.IsConstant(node.inputs[i])) return kNone;
  }
  for (ValueId output : node.outputs) {
    if (!IsSmall(graph_, output)) return kNone;
  }
  return IsSmall(graph_, node.inputs[0]) ? node.inputs[0] : kNone;
}

ValueId IndexMap::SourceOf(ValueId id) const {
  int steps = 0;
  return SourceOf(id, 0, steps);
}

ValueId IndexMap::SourceOf(ValueId id, int depth, int& steps) const {
  for (; depth < kMaxDepth && ++steps < kMaxSteps; ++depth) {
    const Node* node = graph_.Producer(id);
    if (node == nullptr) return id;
    if (node->op == "Concat" && !through_scalars_ && IsSmall(graph_, id)) {
      ValueId common = kNone;
      for (ValueId input : node->inputs) {
        const ValueId source = SourceOf(input, depth + 1, steps);
        if (source == input || (common != kNone && source != common)) return id;
        common = source;
      }
      return common;
    }
    const ValueId moved = MovedInput(*node);
    if (moved == kNone) return id;
    id = moved;
  }
  return id;
}

float IndexMap::FactorFrom(ValueId source, ValueId id) const {
  float factor = 1.0f;
  for (int depth = 0; depth < kMaxDepth && id != source; ++depth) {
    const Node* node = graph_.Producer(id);
    if (node == nullptr) break;
    if (const auto scalar = ScalarFactor(*node)) factor *= *scalar;
    id = MovedInput(*node);
    if (id == kNone) break;
  }
  return factor;
}

Result<void> IndexMap::EvaluateNodeOf(ValueId id, int depth) {
  const Node* node = graph_.Producer(id);
  if (depth == kMaxDepth || node == nullptr) {
    return runtime::Internal("'" + graph_.value(id).name +
                             "' is not below the source of its elements");
  }
  if (ScalarFactor(*node)) {
    BITTERN_TRY_ASSIGN(known_[id], Evaluate(MovedInput(*node), depth + 1));
    return {};
  }
  Graph scratch;
  Node copy = *node;
  for (ValueId& input : copy.inputs) {
    if (input == kNone) continue;
    const Value& value = graph_.value(input);
    if (value.constant != nullptr) {
      input = scratch.AddConstant("c", *value.type, value.constant);
      continue;
    }
    BITTERN_TRY_ASSIGN(ConstantData data, Evaluate(input, depth + 1));
    input = scratch.AddConstant(
        "x", {runtime::DType::kI32, value.type->shape, {}}, std::move(data));
  }
  BITTERN_TRY_ASSIGN(std::vector<ConstantData> results,
                     EvaluateNode(scratch, copy));
  for (size_t i = 0; i < results.size(); ++i) {
    if (node->outputs[i] != kNone) known_[node->outputs[i]] = results[i];
  }
  return {};
}

Result<ConstantData> IndexMap::Evaluate(ValueId id, int depth) {
  if (known_.find(id) == known_.end()) {
    BITTERN_TRY(EvaluateNodeOf(id, depth));
  }
  return known_[id];
}

bool IndexMap::Takes(ValueId source, ValueId id) const {
  return IsSmall(graph_, source) && IsSmall(graph_, id);
}

Result<std::vector<int32_t>> IndexMap::From(ValueId source, ValueId id) {
  if (!Takes(source, id)) {
    return runtime::Unsupported("'" + graph_.value(id).name +
                                "' has more elements than are followed, "
                                "expected at most 2^24");
  }
  known_.clear();
  const Shape from = *StaticShape(graph_, source);
  BITTERN_TRY_ASSIGN(known_[source],
                     Numbered(static_cast<size_t>(from.Elements())));
  BITTERN_TRY_ASSIGN(const ConstantData data, Evaluate(id, 0));
  std::vector<int32_t> map(
      static_cast<size_t>(StaticShape(graph_, id)->Elements()));
  if (!map.empty()) {
    std::memcpy(map.data(), data->data(), map.size() * sizeof(int32_t));
  }
  return map;
}

bool IsIdentityMap(const std::vector<int32_t>& map, int64_t count) {
  if (static_cast<int64_t>(map.size()) != count) return false;
  for (size_t i = 0; i < map.size(); ++i) {
    if (map[i] != static_cast<int32_t>(i)) return false;
  }
  return true;
}

}  // namespace bittern::convert
