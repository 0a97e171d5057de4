// Small constants of equal type and bytes become one: passes make zero points,
// scales and shapes for every layer, and every tensor costs the file a record
// and 64 bytes.
#include <map>
#include <string>

#include "converter/passes/edit.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr size_t kMaxBytes = 4096;  // equal large weights do not happen

}  // namespace

Result<void> MergeConstants(Graph& graph, PassContext&) {
  std::map<std::string, ValueId> first;  // by type and bytes
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    const Value& value = graph.value(id);
    if (value.constant == nullptr) continue;
    const size_t bytes = runtime::ByteSize(*value.type);
    if (bytes > kMaxBytes) continue;
    std::string key = runtime::ToString(*value.type) + ' ';
    key.append(reinterpret_cast<const char*>(value.constant->data()), bytes);
    const auto [found, is_new] = first.try_emplace(std::move(key), id);
    if (!is_new) graph.ReplaceUses(id, found->second);
  }
  return {};
}

}  // namespace bittern::convert
