#include "converter/onnx/broadcast.h"

#include <numeric>

namespace bittern::convert {

Result<ValueId> LegacyOperand(OnnxNode& node) {
  const ValueId b = node.Input(1);
  if (node.opset() >= 7) return b;
  const auto rank = static_cast<int64_t>(node.ShapeOf(node.Input(0)).rank());
  const auto own = static_cast<int64_t>(node.ShapeOf(b).rank());
  node.Ignore("consumed_inputs");
  BITTERN_TRY_ASSIGN(const int64_t broadcast, node.Int("broadcast", 0));
  BITTERN_TRY_ASSIGN(int64_t axis, node.Int("axis", rank - own));
  if (broadcast == 0) return b;
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank - own) {
    return node.Fail("axis is " + std::to_string(axis) + ", expected 0 to " +
                     std::to_string(rank - own));
  }
  std::vector<int64_t> added(static_cast<size_t>(rank - own - axis));
  if (added.empty()) return b;
  std::iota(added.begin(), added.end(), own);
  return node.Emit("Unsqueeze", {b}, {{"axes", added}});
}

}  // namespace bittern::convert
