// Follows a scale up to ReduceMax(Abs(x)); what it does to that maximum on the
// way must be a factor, but for a guard against 0.
#include "converter/passes/dynamic_scale.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bittern::convert {
namespace {

constexpr int kMaxDepth = 8;

// scale = factor * max|x|, or factor / max|x|.
struct Factor {
  double value = 1;
  bool inverse = false;
};

bool IsMaximum(const Graph& graph, const Node& node, ValueId x) {
  if (node.op != "ReduceMax") return false;
  const Node* abs = ProducerIf(graph, node.inputs[0], "Abs");
  return abs != nullptr && abs->inputs[0] == x;
}

std::optional<Factor> FactorOf(const Graph& graph, ValueId id, ValueId x,
                               int depth) {
  const Node* node = graph.Producer(id);
  if (node == nullptr || depth > kMaxDepth) return std::nullopt;
  if (IsMaximum(graph, *node, x)) return Factor{};
  const auto next = [&](ValueId input) {
    return FactorOf(graph, input, x, depth + 1);
  };
  // A guard makes the maximum larger, so codes only get smaller.
  if (node->op == "Reshape" || node->op == "Unsqueeze" ||
      node->op == "Squeeze" || node->op == "Flatten") {
    return next(node->inputs[0]);
  }
  if (node->op == "Clip" && std::isinf(FloatOf(*node, "max", INFINITY))) {
    std::optional<Factor> factor = next(node->inputs[0]);
    if (factor && factor->inverse) return std::nullopt;
    return factor;
  }
  if (node->op == "Reciprocal") {
    std::optional<Factor> factor = next(node->inputs[0]);
    if (factor) *factor = {1 / factor->value, !factor->inverse};
    return factor;
  }
  const ValueId constant = ConstantOperand(graph, *node);
  const std::optional<float> scalar =
      constant == kNone ? std::nullopt : ScalarOf(graph, constant);
  if (!scalar || !(*scalar > 0)) return std::nullopt;
  std::optional<Factor> factor = next(OtherInput(*node, constant));
  if (!factor) return factor;
  const auto number = static_cast<double>(*scalar);
  if (node->op == "Max" || node->op == "Add") {
    // The guard of a scale that grows with the maximum.
    return factor->inverse ? std::nullopt : factor;
  }
  if (node->op == "Mul") {
    factor->value *= number;
  } else if (node->op == "Div" && constant == node->inputs[1]) {
    factor->value /= number;
  } else if (node->op == "Div") {
    *factor = {number / factor->value, !factor->inverse};
  } else {
    return std::nullopt;
  }
  return factor;
}

}  // namespace

std::optional<float> DynamicBound(const Graph& graph, ValueId x, ValueId scale,
                                  bool multiply, ValueId zero) {
  if (zero != kNone || scale == kNone || graph.IsConstant(scale)) {
    return std::nullopt;
  }
  const std::optional<Factor> factor = FactorOf(graph, scale, x, 0);
  if (!factor || factor->inverse != multiply) return std::nullopt;
  const double bound = multiply ? factor->value : 1 / factor->value;
  constexpr double kMaxCode = 127;
  // The scale is rounded, so the bound is near an integer, not one.
  if (!(bound > 0.75 && bound < kMaxCode + 0.25) ||
      std::fabs(bound - std::nearbyint(bound)) > 0.25) {
    return std::nullopt;
  }
  return static_cast<float>(std::nearbyint(bound));
}

bool IsIntegral(const Graph& graph, ValueId id) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (graph.IsConstant(id)) {
      for (float v : graph.F32(id)) {
        if (v != std::nearbyint(v)) return false;
      }
      return true;
    }
    const Node* node = graph.Producer(id);
    if (node == nullptr) return false;
    if (node->op == "Round" || node->op == "Floor" || node->op == "Ceil") {
      return true;
    }
    if (node->op == "Cast") {
      const auto& type = graph.value(node->inputs[0]).type;
      if (type && type->dtype != runtime::DType::kF32) return true;
    } else if (node->op == "Clip") {
      const float lo = FloatOf(*node, "min", 0), hi = FloatOf(*node, "max", 0);
      if (lo != std::nearbyint(lo) || hi != std::nearbyint(hi)) return false;
    } else if (node->op != "Neg" && node->op != "Reshape" &&
               node->op != "Unsqueeze" && node->op != "Squeeze") {
      return false;
    }
    id = node->inputs[0];
  }
  return false;
}

bool IsWithin(const Graph& graph, ValueId id, float lo, float hi) {
  const auto holds = [lo, hi](float least, float most) {
    return lo <= least && most <= hi;
  };
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (graph.IsConstant(id)) {
      const std::vector<float> values = graph.F32(id);
      return !values.empty() &&
             std::all_of(values.begin(), values.end(),
                         [&holds](float v) { return holds(v, v); });
    }
    const Node* node = graph.Producer(id);
    if (node == nullptr) return false;
    if (node->op == "Clip") {
      constexpr float kInfinity = std::numeric_limits<float>::infinity();
      if (holds(FloatOf(*node, "min", -kInfinity),
                FloatOf(*node, "max", kInfinity))) {
        return true;
      }
    } else if (node->op == "Cast") {
      const auto& type = graph.value(node->inputs[0]).type;
      if (type && type->dtype == runtime::DType::kU8) return holds(0, 255);
      if (type && type->dtype == runtime::DType::kS8) return holds(-128, 127);
    } else if (node->op != "Round" && node->op != "Reshape" &&
               node->op != "Unsqueeze" && node->op != "Squeeze") {
      return false;
    }
    id = node->inputs[0];
  }
  return false;
}

}  // namespace bittern::convert
