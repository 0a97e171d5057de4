// Constants of equal type and bytes become one: passes make zero points, scales
// and shapes for every layer, exporters a mask and an index map for every
// block, and every tensor costs the file a record and at least 64 bytes.
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
Result<void> MergeConstants(Graph& graph, PassContext&) {
  // By type and bytes; the values keep theirs as long as the graph.
  std::map<std::pair<std::string, std::string_view>, ValueId> first;
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    const Value& value = graph.value(id);
    if (value.constant == nullptr) continue;
    const size_t bytes = runtime::ByteSize(*value.type);
    const std::string_view data(
        reinterpret_cast<const char*>(value.constant->data()), bytes);
    const auto [found, is_new] =
        first.try_emplace({runtime::ToString(*value.type), data}, id);
    if (!is_new) graph.ReplaceUses(id, found->second);
  }
  return {};
}

}  // namespace bittern::convert
