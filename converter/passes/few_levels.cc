#include "converter/passes/few_levels.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace bittern::convert {
namespace {

constexpr int kMaxDepth = 8;  // nodes above the value
// Nodes looked at in all: a hostile graph has 8 levels of many inputs each.
constexpr int kMaxVisits = 1024;

constexpr std::array<std::string_view, 5> kRoundings = {
    "Sign", "Round", "Floor", "Ceil", "Dequantize"};
constexpr std::array<std::string_view, 8> kKeep = {
    "Reshape", "Transpose", "Neg",  "Unsqueeze",
    "Squeeze", "Cast",      "Clip", "Relu"};
constexpr std::array<std::string_view, 4> kShift = {"Add", "Sub", "Max", "Min"};

template <size_t kSize>
bool Contains(const std::array<std::string_view, kSize>& list,
              std::string_view op) {
  return std::find(list.begin(), list.end(), op) != list.end();
}

bool IsParameterAt(const Graph& graph, ValueId id, int depth, int& visits) {
  if (id == kNone || graph.IsConstant(id)) return true;
  const Node* node = graph.Producer(id);
  if (node == nullptr || depth > kMaxDepth || ++visits > kMaxVisits) {
    return false;
  }
  return std::all_of(node->inputs.begin(), node->inputs.end(),
                     [&](ValueId input) {
                       return IsParameterAt(graph, input, depth + 1, visits);
                     });
}

bool IsOfBytes(const Graph& graph, const Node& node) {
  if (node.op != "Cast") return false;
  const std::optional<TensorType>& type = graph.value(node.inputs[0]).type;
  return type && (type->dtype == runtime::DType::kU8 ||
                  type->dtype == runtime::DType::kS8);
}

bool HasFewLevelsAt(const Graph& graph, ValueId id, int depth, int& visits) {
  const Node* node = id == kNone ? nullptr : graph.Producer(id);
  if (node == nullptr || depth > kMaxDepth || ++visits > kMaxVisits) {
    return false;
  }
  if (Contains(kRoundings, node->op) || IsOfBytes(graph, *node)) return true;
  const auto few = [&](size_t input) {
    return HasFewLevelsAt(graph, node->inputs[input], depth + 1, visits);
  };
  if (Contains(kKeep, node->op) || node->op == "Div") return few(0);
  if (node->op == "Mul") return few(0) || few(1);
  if (!Contains(kShift, node->op)) return false;
  const auto harmless = [&](size_t input) {
    return IsParameterAt(graph, node->inputs[input], depth, visits) ||
           few(input);
  };
  return (few(0) && harmless(1)) || (few(1) && harmless(0));
}

}  // namespace

bool HasFewLevels(const Graph& graph, ValueId id) {
  int visits = 0;
  return HasFewLevelsAt(graph, id, 0, visits);
}

bool IsLogarithmic(const Graph& graph, ValueId id) {
  constexpr std::array<std::string_view, 5> kThrough = {"Reshape", "Transpose",
                                                        "Mul", "Where", "Cast"};
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const Node* node = id == kNone ? nullptr : graph.Producer(id);
    if (node == nullptr) return false;
    if (node->op == "Pow") {
      return ScalarOf(graph, node->inputs[0]).has_value() &&
             HasFewLevels(graph, node->inputs[1]);
    }
    if (!Contains(kThrough, node->op)) return false;
    const auto run_time =
        std::find_if(node->inputs.rbegin(), node->inputs.rend(),
                     [&graph](ValueId v) { return !graph.IsConstant(v); });
    if (run_time == node->inputs.rend()) return false;
    id = *run_time;
  }
  return false;
}

bool IsParameter(const Graph& graph, ValueId id) {
  int visits = 0;
  return IsParameterAt(graph, id, 0, visits);
}

}  // namespace bittern::convert
