// One walk in topological order; the key of a value spells out its operation,
// attributes and the numbers of its inputs, that of a constant its bytes.
#include "converter/passes/value_numbers.h"

#include <cstring>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <variant>

namespace bittern::convert {
namespace {

// Larger constants are the same only if they are one value: reading all bytes
// of all weights would cost more than a missed match of a big copy.
constexpr size_t kMaxComparedBytes = 4096;

template <class T>
void AppendRaw(std::string& key, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  key.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendAttribute(std::string& key, const AttributeValue& value) {
  AppendRaw(key, value.index());
  std::visit(
      [&key](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_arithmetic_v<T>) {
          AppendRaw(key, v);
        } else {
          AppendRaw(key, v.size());
          for (const auto& element : v) AppendRaw(key, element);
        }
      },
      value);
}

std::string KeyOfConstant(const Value& value, int32_t id) {
  std::string key = "constant ";
  const size_t bytes = runtime::ByteSize(*value.type);
  if (bytes > kMaxComparedBytes) {
    AppendRaw(key, id);
    return key;
  }
  key += runtime::ToString(*value.type) + ' ';
  key.append(reinterpret_cast<const char*>(value.constant->data()), bytes);
  return key;
}

}  // namespace

ValueNumbers::ValueNumbers(const Graph& graph)
    : number_(graph.values().size(), kNone) {
  std::unordered_map<std::string, int32_t> numbers;
  const auto number_of = [&numbers](std::string key) {
    const auto next = static_cast<int32_t>(numbers.size());
    return numbers.try_emplace(std::move(key), next).first->second;
  };
  for (size_t i = 0; i < number_.size(); ++i) {
    const Value& value = graph.values()[i];
    const auto id = static_cast<int32_t>(i);
    if (value.constant != nullptr) {
      number_[i] = number_of(KeyOfConstant(value, id));
    } else if (value.producer == kNone) {
      number_[i] = number_of("input " + std::to_string(id));
    }
  }
  for (const Node& node : graph.nodes()) {
    if (node.removed) continue;
    std::string key = node.op + ' ';
    for (const auto& [name, attribute] : node.attributes) {
      key += name + '=';
      AppendAttribute(key, attribute);
    }
    for (ValueId input : node.inputs) {
      AppendRaw(key,
                input == kNone ? kNone : number_[static_cast<size_t>(input)]);
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNone) continue;
      number_[static_cast<size_t>(node.outputs[i])] =
          number_of(key + " output " + std::to_string(i));
    }
  }
}

bool ValueNumbers::Same(ValueId a, ValueId b) const {
  if (a == b) return a != kNone;
  const auto count = static_cast<ValueId>(number_.size());
  if (a < 0 || b < 0 || a >= count || b >= count) return false;
  const int32_t number = number_[static_cast<size_t>(a)];
  return number != kNone && number == number_[static_cast<size_t>(b)];
}

}  // namespace bittern::convert
