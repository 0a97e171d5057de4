// Constants of elementwise steps whose rows, or halves of rows, repeat are kept
// as the distinct ones and gathered in every run: sine position encodings are
// one half row for each row of the image and one for each column, 59 in place
// of the 1,700 of DETR at 800 x 1066 (870 KB of fp32).
#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr int64_t kMinElements = 1 << 12;
// What is left must be this much smaller, for a walk over it in every run.
constexpr size_t kMinGain = 4;

struct Pieces {
  size_t width = 0;
  std::vector<float> distinct;
  std::vector<int64_t> index;  // of each piece
};

// The constant in pieces of `width`.
Pieces Split(const std::vector<float>& values, size_t width) {
  Pieces pieces{width, {}, {}};
  std::map<std::string, int64_t> seen;
  for (size_t i = 0; i < values.size(); i += width) {
    std::string bytes(width * sizeof(float), '\0');
    std::memcpy(bytes.data(), &values[i], bytes.size());
    const auto [found, is_new] =
        seen.emplace(std::move(bytes), static_cast<int64_t>(seen.size()));
    if (is_new) {
      pieces.distinct.insert(
          pieces.distinct.end(), values.begin() + static_cast<ptrdiff_t>(i),
          values.begin() + static_cast<ptrdiff_t>(i + width));
    }
    pieces.index.push_back(found->second);
  }
  return pieces;
}

// Whether only steps of elements read it.
bool IsOperand(const Graph& graph, ValueId id) {
  const std::vector<NodeId> users = graph.Users(id);
  return !users.empty() && graph.UseCount(id) == users.size() &&
         std::all_of(users.begin(), users.end(), [&graph](NodeId user) {
           const std::string& op = graph.node(user).op;
           return op == "Add" || op == "Sub" || op == "Mul";
         });
}

Result<void> Compact(Graph& graph, ValueId id) {
  const auto shape = StaticShape(graph, id);
  if (!graph.IsConstant(id) || !shape || shape->rank() == 0 ||
      shape->Elements() < kMinElements || !IsOperand(graph, id)) {
    return {};
  }
  const std::vector<float> values = graph.F32(id);
  const auto columns = static_cast<size_t>(shape->Last());
  for (const size_t width : {columns, columns / 2}) {
    if (values.empty() || width < 16 || columns % width != 0) continue;
    const Pieces pieces = Split(values, width);
    if ((pieces.distinct.size() + pieces.index.size()) * kMinGain >
        values.size()) {
      continue;
    }
    const std::string name = graph.value(id).name;
    const auto rows =
        static_cast<int64_t>(pieces.distinct.size() / pieces.width);
    const ValueId table =
        graph.AddF32(name + ".distinct", {rows, static_cast<int64_t>(width)},
                     pieces.distinct);
    const ValueId index =
        graph.AddI64(name + ".index",
                     {static_cast<int64_t>(pieces.index.size())}, pieces.index);
    BITTERN_TRY_ASSIGN(const ValueId gathered,
                       Emit(graph, "Gather", name, {table, index},
                            {{"axis", int64_t{0}}}, name + ".gathered"));
    BITTERN_TRY_ASSIGN(const ValueId made, EmitReshape(graph, name, gathered,
                                                       *shape, name + ".made"));
    graph.ReplaceUses(id, made);
    return {};
  }
  return {};
}

}  // namespace

Result<void> CompactRepeats(Graph& graph, PassContext&) {
  const size_t count = graph.values().size();
  for (size_t i = 0; i < count; ++i) {
    BITTERN_TRY(Compact(graph, static_cast<ValueId>(i)));
  }
  return {};
}

}  // namespace bittern::convert
