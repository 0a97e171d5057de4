// Biases and masks of windowed attention as the tables that they came from:
// exporters fold Swin's table [H, (2M - 1)^2] into [H, M^2, M^2] for every
// block, and its four kinds of masks into one for each window. Found by value,
// whatever the exporter did: pairs of tokens that have the same biases in all
// heads share an entry, windows that have the same mask share it. 3.6 of the
// 15.7 MB of a ternary Swin-Small.
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

#include "converter/passes/code_attention.h"
#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// Numbers distinct byte strings in the order in which they first come.
class Numbering {
 public:
  int32_t NumberOf(std::string_view bytes) {
    const auto [found, is_new] = numbers_.try_emplace(
        std::string(bytes), static_cast<int32_t>(numbers_.size()));
    was_new_ = is_new;
    return found->second;
  }
  bool was_new() const { return was_new_; }
  size_t count() const { return numbers_.size(); }

 private:
  std::unordered_map<std::string, int32_t> numbers_;
  bool was_new_ = false;
};

std::string_view BytesOf(const float* values, size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(float)};
}

// The input `place` of a node if it is an f32 constant of rank 3, else kNone.
ValueId TermOf(const Graph& graph, const Node& node, size_t place,
               size_t index_place) {
  if (place >= node.inputs.size() || !graph.IsConstant(node.inputs[place]))
    return kNone;
  if (index_place < node.inputs.size() && node.inputs[index_place] != kNone)
    return kNone;
  const TensorType& type = *graph.value(node.inputs[place]).type;
  const bool fits =
      type.dtype == runtime::DType::kF32 && type.shape.rank() == 3;
  return fits && type.shape.Elements() > 0 ? node.inputs[place] : kNone;
}

Result<void> SetIndexed(Graph& graph, NodeId id, size_t place,
                        size_t index_place, ValueId table,
                        const Shape& index_shape,
                        const std::vector<int32_t>& index) {
  BITTERN_TRY_ASSIGN(const ValueId map,
                     AddI32(graph, graph.value(table).name + ".index", index));
  graph.value(map).type->shape = index_shape;
  std::vector<ValueId>& inputs = graph.node(id).inputs;
  inputs.resize(std::max(inputs.size(), index_place + 1), kNone);
  inputs[place] = table;
  inputs[index_place] = map;
  return {};
}

Result<void> CompactBias(Graph& graph, NodeId id) {
  const ValueId bias =
      TermOf(graph, graph.node(id), kAttentionBias, kAttentionBiasIndex);
  if (bias == kNone) return {};
  const Shape shape = graph.value(bias).type->shape;
  const std::vector<float> values = graph.F32(bias);
  const auto heads = static_cast<size_t>(shape[0]);
  const size_t pairs = values.size() / heads;
  Numbering entries;
  std::vector<int32_t> index(pairs);
  std::vector<float> column(heads), columns;
  for (size_t p = 0; p < pairs; ++p) {
    for (size_t h = 0; h < heads; ++h) column[h] = values[h * pairs + p];
    index[p] = entries.NumberOf(BytesOf(column.data(), heads));
    if (entries.was_new())
      columns.insert(columns.end(), column.begin(), column.end());
  }
  const size_t count = entries.count();
  if (heads * count + pairs >= values.size()) return {};
  std::vector<float> table(heads * count);
  for (size_t e = 0; e < count; ++e) {
    for (size_t h = 0; h < heads; ++h)
      table[h * count + e] = columns[e * heads + h];
  }
  const ValueId small =
      graph.AddF32(graph.value(bias).name + ".table",
                   {shape[0], static_cast<int64_t>(count)}, table);
  return SetIndexed(graph, id, kAttentionBias, kAttentionBiasIndex, small,
                    {shape[1], shape[2]}, index);
}

Result<void> CompactMask(Graph& graph, NodeId id) {
  const ValueId mask =
      TermOf(graph, graph.node(id), kAttentionMask, kAttentionMaskIndex);
  if (mask == kNone) return {};
  const Shape shape = graph.value(mask).type->shape;
  const std::vector<float> values = graph.F32(mask);
  const auto windows = static_cast<size_t>(shape[0]);
  const size_t pairs = values.size() / windows;
  Numbering masks;
  std::vector<int32_t> index(windows);
  std::vector<float> table;
  for (size_t w = 0; w < windows; ++w) {
    const float* window = values.data() + w * pairs;
    index[w] = masks.NumberOf(BytesOf(window, pairs));
    if (masks.was_new()) table.insert(table.end(), window, window + pairs);
  }
  if (table.size() + windows >= values.size()) return {};
  const ValueId small = graph.AddF32(
      graph.value(mask).name + ".distinct",
      {static_cast<int64_t>(masks.count()), shape[1], shape[2]}, table);
  return SetIndexed(graph, id, kAttentionMask, kAttentionMaskIndex, small,
                    {shape[0]}, index);
}

}  // namespace

Result<void> CompactAttentionTerms(Graph& graph, PassContext& context) {
  static_cast<void>(context);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed || graph.node(id).op != "CodeAttention")
      continue;
    BITTERN_TRY(CompactBias(graph, id));
    BITTERN_TRY(CompactMask(graph, id));
  }
  return {};
}

}  // namespace bittern::convert
