// Prints graphs. Floats print with the fewest digits that read back to the same
// bits, so that text and graph round-trip.
#include "converter/ir/print.h"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "kernels/base/code_matrix.h"

namespace bittern::convert {
namespace {

using runtime::DType;

bool IsPlainCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         c == '.' || c == '/' || c == '-' || c == '$';
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string NameOf(const Graph& graph, ValueId id) {
  if (id == kNone) return "_";
  const std::string& name = graph.value(id).name;
  bool plain = true;
  for (char c : name) plain = plain && IsPlainCharacter(c);
  return plain ? "%" + name : "%" + Quoted(name);
}

std::string Number(float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

template <class T>
std::string Number(T value) {
  return std::to_string(value);
}

template <class T>
std::string List(const T* values, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    if (i != 0) text += ", ";
    text += Number(values[i]);
  }
  return text;
}

// FNV-1a: any change of a byte changes it; nobody attacks it here.
uint64_t HashOf(const uint8_t* bytes, size_t count) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (size_t i = 0; i < count; ++i) hash = (hash ^ bytes[i]) * 0x100000001B3u;
  return hash;
}

template <class T>
std::string InlineValues(const uint8_t* bytes, size_t count) {
  std::vector<T> values(count);
  if (count != 0) std::memcpy(values.data(), bytes, count * sizeof(T));
  return List(values.data(), count);
}

// The values that codes of weights stand for.
std::string InlineCodes(const TensorType& type, const uint8_t* bytes) {
  const auto rows = static_cast<size_t>(type.shape.Leading());
  const auto cols = static_cast<size_t>(type.shape.Last());
  const kernels::CodeMatrix codes{bytes, runtime::OperandOf(type.code), rows,
                                  cols};
  std::vector<int> values;
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) {
      values.push_back(kernels::ValueAt(codes, r, c));
    }
  }
  return List(values.data(), values.size());
}

std::string ValuesOf(const Value& value) {
  const TensorType& type = *value.type;
  const uint8_t* bytes = value.constant->data();
  if (type.shape.Elements() > kMaxInlineElements) {
    return fmt::format("hash({:016x})", HashOf(bytes, runtime::ByteSize(type)));
  }
  const auto count = static_cast<size_t>(type.shape.Elements());
  std::string list;
  switch (type.dtype) {
    case DType::kF32:
      list = InlineValues<float>(bytes, count);
      break;
    case DType::kI32:
      list = InlineValues<int32_t>(bytes, count);
      break;
    case DType::kI64:
      list = InlineValues<int64_t>(bytes, count);
      break;
    case DType::kU8:
    case DType::kBool:
      list = InlineValues<uint8_t>(bytes, count);
      break;
    case DType::kS8:
      list = InlineValues<int8_t>(bytes, count);
      break;
    case DType::kCode:
      list = InlineCodes(type, bytes);
      break;
  }
  return "{" + list + "}";
}

std::string AttributeText(const AttributeValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return Quoted(v);
        } else if constexpr (std::is_arithmetic_v<T>) {
          return Number(v);
        } else if constexpr (std::is_same_v<T, std::vector<float>>) {
          return (v.empty() ? "f[" : "[") + List(v.data(), v.size()) + "]";
        } else {
          return "[" + List(v.data(), v.size()) + "]";
        }
      },
      value);
}

std::string NodeText(const Graph& graph, const Node& node) {
  std::string text;
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId id = node.outputs[i];
    if (i != 0) text += ", ";
    text += NameOf(graph, id);
    if (id != kNone && graph.value(id).type) {
      text += ": " + runtime::ToString(*graph.value(id).type);
    }
  }
  text += " = " + node.op + "(";
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    text += (i == 0 ? "" : ", ") + NameOf(graph, node.inputs[i]);
  }
  text += ")";
  if (!node.name.empty()) text += " name=" + Quoted(node.name);
  for (const auto& [name, value] : node.attributes) {
    text += " " + name + "=" + AttributeText(value);
  }
  text += "\n";
  for (const auto& body : node.bodies)
    text += "{\n" + PrintGraph(*body) + "}\n";
  return text;
}

std::vector<bool> UsedValues(const Graph& graph) {
  std::vector<bool> used(graph.values().size(), false);
  for (const Node& node : graph.nodes()) {
    if (node.removed) continue;
    for (ValueId id : node.inputs) {
      if (id != kNone) used[static_cast<size_t>(id)] = true;
    }
  }
  for (ValueId id : graph.outputs) used[static_cast<size_t>(id)] = true;
  return used;
}

}  // namespace

std::string PrintGraph(const Graph& graph) {
  std::string text;
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    text += "input " + NameOf(graph, id);
    if (value.type) text += ": " + runtime::ToString(*value.type);
    text += "\n";
  }
  const std::vector<bool> used = UsedValues(graph);
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const Value& value = graph.values()[i];
    if (!used[i] || value.constant == nullptr) continue;
    text += "const " + NameOf(graph, static_cast<ValueId>(i)) + ": " +
            runtime::ToString(*value.type) + " = " + ValuesOf(value) + "\n";
  }
  for (const Node& node : graph.nodes()) {
    if (!node.removed) text += NodeText(graph, node);
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    text += "output " + NameOf(graph, graph.outputs[i]);
    if (graph.output_names[i] != graph.value(graph.outputs[i]).name) {
      text += " as " + Quoted(graph.output_names[i]);
    }
    text += "\n";
  }
  return text;
}

}  // namespace bittern::convert
