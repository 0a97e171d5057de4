// Constants that were expanded to the size of the tensor they combine with
// (torch's expand_as) shrink to what broadcasts to it: an axis along which all
// values are the same becomes 1.
#include <algorithm>
#include <array>
#include <cstring>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr std::array<std::string_view, 6> kBinary = {"Add", "Sub", "Mul",
                                                     "Div", "Min", "Max"};

// Keeps the first of each `count` slices of `inner` values if they are all the
// same bits.
bool Collapse(std::vector<float>& values, size_t count, size_t inner) {
  const size_t block = count * inner;
  for (size_t begin = 0; begin < values.size(); begin += block) {
    for (size_t i = 1; i < count; ++i) {
      if (std::memcmp(&values[begin], &values[begin + i * inner],
                      inner * sizeof(float)) != 0) {
        return false;
      }
    }
  }
  size_t kept = 0;
  for (size_t begin = 0; begin < values.size(); begin += block) {
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(begin), inner,
                values.begin() + static_cast<ptrdiff_t>(kept));
    kept += inner;
  }
  values.resize(kept);
  return true;
}

// The smaller constant, or `id` itself.
ValueId Shrunk(Graph& graph, ValueId id) {
  const std::optional<Shape> shape = StaticShape(graph, id);
  if (!graph.IsConstant(id) || !shape || shape->Elements() < 2) return id;
  std::vector<float> values = graph.F32(id);
  if (values.empty()) return id;
  Shape small = *shape;
  size_t inner = 1;
  for (size_t axis = small.rank(); axis-- > 0;) {
    const auto count = static_cast<size_t>(small[axis]);
    if (count > 1 && Collapse(values, count, inner)) small[axis] = 1;
    inner *= static_cast<size_t>(small[axis]);
  }
  if (small == *shape) return id;
  return graph.AddF32(graph.value(id).name + ".small", small, values);
}

}  // namespace

Result<void> ShrinkConstants(Graph& graph, PassContext&) {
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed ||
        std::find(kBinary.begin(), kBinary.end(), node.op) == kBinary.end()) {
      continue;
    }
    const ValueId constant = ConstantOperand(graph, node);
    const auto shape = StaticShape(graph, node.outputs[0]);
    if (constant == kNone || !shape ||
        StaticShape(graph, OtherInput(node, constant)) != shape) {
      continue;
    }
    const ValueId small = Shrunk(graph, constant);
    for (ValueId& input : graph.node(id).inputs) {
      if (input == constant) input = small;
    }
  }
  return {};
}

}  // namespace bittern::convert
