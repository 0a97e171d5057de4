// Walks up from a Round to the scale, down to the codes, and on to the numbers
// that readers make of them.
#include "converter/passes/quantiser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "converter/passes/code_bounds.h"
#include "converter/passes/dynamic_scale.h"

namespace bittern::convert {
namespace {

using Kind = QuantiserStep::Kind;

constexpr int kMaxSteps = 12;  // nodes on either side of the Round
constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool IsFloat(const Graph& graph, ValueId id) {
  return graph.value(id).type &&
         graph.value(id).type->dtype == runtime::DType::kF32;
}

// The one number of an f32 or i64 constant.
std::optional<float> NumberOf(const Graph& graph, ValueId id) {
  if (const auto scalar = ScalarOf(graph, id)) return scalar;
  const std::vector<int64_t> integers = graph.I64(id);
  if (integers.size() != 1) return std::nullopt;
  return static_cast<float>(integers[0]);
}

struct Bound {
  ValueId x = kNone;
  float lo = -kInfinity, hi = kInfinity;
};

// Clip, Relu, and Max and Min with one number.
std::optional<Bound> MatchBound(const Graph& graph, const Node& node) {
  Bound bound;
  bound.x = node.inputs.empty() ? kNone : node.inputs[0];
  if (node.op == "Relu") {
    bound.lo = 0;
  } else if (node.op == "Clip") {
    bound.lo = FloatOf(node, "min", -kInfinity);
    bound.hi = FloatOf(node, "max", kInfinity);
  } else if (node.op == "Max" || node.op == "Min") {
    const ValueId constant = ConstantOperand(graph, node);
    const std::optional<float> number =
        constant == kNone ? std::nullopt : NumberOf(graph, constant);
    if (!number) return std::nullopt;
    bound.x = OtherInput(node, constant);
    (node.op == "Max" ? bound.lo : bound.hi) = *number;
    if (StaticShape(graph, bound.x) != StaticShape(graph, node.outputs[0])) {
      return std::nullopt;
    }
  } else {
    return std::nullopt;
  }
  return bound;
}

// The operand that is no bigger than one value for each row or channel of the
// result, if the other one has the result's shape.
ValueId ParameterOf(const Graph& graph, const Node& node) {
  const std::optional<Shape> result = StaticShape(graph, node.outputs[0]);
  if (!result || node.inputs.size() != 2) return kNone;
  for (size_t i : {size_t{1}, size_t{0}}) {
    const std::optional<Shape> shape = StaticShape(graph, node.inputs[i]);
    const std::optional<Shape> other = StaticShape(graph, node.inputs[1 - i]);
    if (!shape || other != result || !IsFloat(graph, node.inputs[i])) continue;
    if (graph.IsConstant(node.inputs[1 - i])) continue;
    if (graph.IsConstant(node.inputs[i]) ||
        shape->Elements() < result->Elements() || shape->Elements() == 1) {
      return node.inputs[i];
    }
  }
  return kNone;
}

class Matcher {
 public:
  Matcher(const Graph& graph, NodeId round) : graph_(graph) {
    q_.round = round;
    q_.pattern = "A3";
  }

  std::optional<Quantiser> Match(std::string* reason) {
    WalkUp();
    WalkDown();
    if (!FindRange()) {
      *reason =
          "its range is not known: no Clip, or one bound for each channel";
      return std::nullopt;
    }
    FindLevels();
    return std::move(q_);
  }

 private:
  static QuantiserStep Clip(const Bound& bound) {
    return {Kind::kClip, {}, bound.lo, bound.hi};
  }

  // Values of a parameter for BoundsOf; all non-scalar ones must be aligned.
  QuantiserStep Parameter(Kind kind, ValueId id, bool negative) {
    std::vector<float> values = graph_.F32(id);
    if (values.size() > 1) {
      const Shape shape = *StaticShape(graph_, id);
      Shape aligned;
      for (int64_t dim : shape.dims()) {
        if (dim != 1 || aligned.rank() > 0) aligned.Append(dim);
      }
      if (channels_.rank() == 0) channels_ = aligned;
      if (aligned != channels_) values.clear();
    }
    if (negative) {
      for (float& v : values) v = -v;
    }
    return {kind, std::move(values), 0, 0};
  }

  void Prepend(QuantiserStep step) {
    steps_.insert(steps_.begin(), std::move(step));
  }

  void WalkUp() {
    Prepend({Kind::kRound, {}, 0, 0});
    q_.input = graph_.node(q_.round).inputs[0];
    for (int i = 0; i < kMaxSteps; ++i) {
      const Node* node = graph_.Producer(q_.input);
      if (node == nullptr || !StepUp(*node)) break;
    }
    for (int i = 0; i < kMaxSteps; ++i) {
      const Node* node = graph_.Producer(q_.input);
      const auto bound =
          node == nullptr ? std::nullopt : MatchBound(graph_, *node);
      if (!bound) break;
      Prepend(Clip(*bound));
      sources_.push_back(q_.input);
      q_.input = bound->x;
    }
  }

  // Takes `node` as a step in front of those known; false at the end of the
  // part behind the scale, which it takes as the last one.
  bool StepUp(const Node& node) {
    if (const auto bound = MatchBound(graph_, node)) {
      // Without a scale yet, Clips in front of x are found by the caller; those
      // behind the scale belong here.
      if (!HasScaleAbove(bound->x)) return false;
      Prepend(Clip(*bound));
      q_.input = bound->x;
      return true;
    }
    const ValueId parameter = ParameterOf(graph_, node);
    if (parameter == kNone) return false;
    const bool second = parameter == node.inputs[1];
    if ((node.op == "Add" || (node.op == "Sub" && second)) &&
        q_.zero == kNone) {
      q_.zero = parameter;
      q_.zero_negative = node.op == "Sub";
      Prepend(Parameter(Kind::kAdd, parameter, q_.zero_negative));
      q_.input = OtherInput(node, parameter);
      return true;
    }
    if ((node.op == "Div" && second) || node.op == "Mul") {
      q_.scale = parameter;
      q_.multiply = node.op == "Mul";
      if (q_.multiply) q_.pattern = "A4";
      Prepend(Parameter(q_.multiply ? Kind::kMultiply : Kind::kDivide,
                        parameter, false));
      q_.input = OtherInput(node, parameter);
    }
    return false;
  }

  bool HasScaleAbove(ValueId id) const {
    for (int i = 0; i < kMaxSteps; ++i) {
      const Node* node = graph_.Producer(id);
      if (node == nullptr) return false;
      if (const auto bound = MatchBound(graph_, *node)) {
        id = bound->x;
        continue;
      }
      const ValueId parameter = ParameterOf(graph_, *node);
      if (parameter == kNone) return false;
      if (node->op == "Div" || node->op == "Mul") return true;
      if (node->op != "Add" && node->op != "Sub") return false;
      id = OtherInput(*node, parameter);
    }
    return false;
  }

  void WalkDown() {
    q_.codes = graph_.node(q_.round).outputs[0];
    for (int i = 0; i < kMaxSteps; ++i) {
      const std::optional<NodeId> user = OnlyUser(graph_, q_.codes);
      if (!user || !StepDown(graph_.node(*user))) return;
      q_.codes = graph_.node(*user).outputs[0];
    }
  }

  bool StepDown(const Node& node) {
    if (const auto bound = MatchBound(graph_, node)) {
      if (bound->x != q_.codes) return false;
      steps_.push_back(Clip(*bound));
      return true;
    }
    if (node.op == "Cast") {
      const bool was_float = IsFloat(graph_, q_.codes);
      // The last Cast, to f32, begins a level.
      if (!was_float && IsFloat(graph_, node.outputs[0])) return false;
      const std::string to = StringOf(node, "to");
      if (to == "bool") return false;
      q_.pattern = "A1";
      if (to == "u8") steps_.push_back(Clip({kNone, 0, 255}));
      if (to == "s8") steps_.push_back(Clip({kNone, -128, 127}));
      return true;
    }
    if (node.op != "Add" || q_.zero != kNone) return false;
    const ValueId parameter = ParameterOf(graph_, node);
    const std::optional<NodeId> next = OnlyUser(graph_, node.outputs[0]);
    if (parameter == kNone || parameter == q_.codes || !next) return false;
    const Node& after = graph_.node(*next);
    if (!MatchBound(graph_, after) && after.op != "Cast") return false;
    q_.zero = parameter;
    q_.zero_after = true;
    steps_.push_back(Parameter(Kind::kAdd, parameter, false));
    return true;
  }

  // Takes as many of the Clips in front of the scale as give equal bounds for
  // all channels. A step of unknown values may have no Clip in front of it.
  bool FindRange() {
    size_t known = steps_.size();
    while (known > 0 && IsKnown(steps_[known - 1])) --known;
    for (size_t start = 0; start <= sources_.size(); ++start) {
      const size_t begin = std::max(start, known);
      if (std::any_of(steps_.begin() + static_cast<ptrdiff_t>(start),
                      steps_.begin() + static_cast<ptrdiff_t>(begin), IsClip)) {
        continue;
      }
      const auto bounds = BoundsOf(
          {steps_.begin() + static_cast<ptrdiff_t>(begin), steps_.end()});
      if (!bounds || !std::isfinite(bounds->lo) || !std::isfinite(bounds->hi)) {
        continue;
      }
      // sources_ begins with the Clip next to the scale.
      if (start > 0) q_.input = sources_[sources_.size() - start];
      if (start < sources_.size()) q_.pattern += "+A6";
      return SetRange(*bounds);
    }
    if (std::any_of(steps_.begin() + static_cast<ptrdiff_t>(sources_.size()),
                    steps_.end(), IsClip)) {
      return false;
    }
    if (!sources_.empty()) q_.input = sources_[0];
    const auto bound =
        DynamicBound(graph_, q_.input, q_.scale, q_.multiply, q_.zero);
    return bound && SetRange({-*bound, *bound});
  }

  bool SetRange(const CodeBounds& bounds) {
    constexpr float kLargest = 1 << 15;
    for (float bound : {bounds.lo, bounds.hi}) {
      if (std::fabs(bound) > kLargest || bound != std::nearbyint(bound)) {
        return false;
      }
    }
    q_.lo = static_cast<int>(bounds.lo);
    q_.hi = static_cast<int>(bounds.hi);
    return true;
  }

  static bool IsClip(const QuantiserStep& step) {
    return step.kind == Kind::kClip;
  }
  static bool IsKnown(const QuantiserStep& step) {
    return step.kind == Kind::kClip || step.kind == Kind::kRound ||
           !step.values.empty();
  }

  void FindLevels() {
    for (NodeId user : graph_.Users(q_.codes)) {
      QuantiserLevel level;
      ValueId value = q_.codes;
      if (!IsFloat(graph_, value)) {
        const Node& cast = graph_.node(user);
        if (cast.op != "Cast" || !IsFloat(graph_, cast.outputs[0])) continue;
        level.last = user;
        value = cast.outputs[0];
      }
      TakeLevel(user, value, level);
      if (level.last != kNone) q_.levels.push_back(level);
    }
  }

  // `first` reads `value` itself; what follows must be the only reader.
  void TakeLevel(NodeId first, ValueId value, QuantiserLevel& level) {
    std::optional<NodeId> user = first;
    if (level.last != kNone) user = OnlyUser(graph_, value);
    if (!user) return;
    for (const bool wants_zero : {true, false}) {
      const Node& node = graph_.node(*user);
      const ValueId parameter = ParameterOf(graph_, node);
      if (parameter == kNone || parameter == value) return;
      const bool second = parameter == node.inputs[1];
      const bool is_zero = node.op == "Add" || (node.op == "Sub" && second);
      const bool is_scale = node.op == "Mul" || (node.op == "Div" && second);
      if (wants_zero && is_zero) {
        level.zero = parameter;
        level.adds = node.op == "Add";
      } else if (is_scale) {
        level.scale = parameter;
        level.divides = node.op == "Div";
      } else {
        return;
      }
      level.last = *user;
      if (is_scale) return;
      value = node.outputs[0];
      user = OnlyUser(graph_, value);
      if (!user) return;
    }
  }

  const Graph& graph_;
  Quantiser q_;
  std::vector<QuantiserStep> steps_;  // in order of evaluation
  std::vector<ValueId> sources_;      // outputs of the Clips in front of the
                                      // scale, the nearest to it first
  Shape channels_;                    // of parameters of several values
};

}  // namespace

std::optional<Quantiser> MatchQuantiser(const Graph& graph, NodeId round,
                                        std::string* reason) {
  return Matcher(graph, round).Match(reason);
}

}  // namespace bittern::convert
