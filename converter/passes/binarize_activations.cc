// Signs of activations become codes: Sign(x) -> Dequantize(Binarize(x)), with
// the scale and zero point around the Sign where the runtime can hold them: one
// per tensor, or one per attention head of [B,N,H,d], whose codes are made in
// the [B,N,H*d] layout of the projection. What does not fit, such as one per
// column, keeps its float form around a plain sign (activation.h reads levels
// per column there). Probabilities are left to recognise_attention.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "converter/passes/affine_sign.h"
#include "converter/passes/heads.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

class Binarizer {
 public:
  Binarizer(Graph& graph, bool zero_is_positive)
      : graph_(graph), zero_is_positive_(zero_is_positive) {}

  Result<void> Visit(NodeId id) {
    AffineSign match = MatchAffineSign(graph_, id);
    if (match.affine() &&
        ProducerIf(graph_, match.input, "Softmax") != nullptr) {
      return {};
    }
    HeadLayout layout = LayoutOf(graph_, match.input);
    auto a = PerHead(match.a, layout, 1.0f);
    auto z = PerHead(match.z, layout, 0.0f);
    if (!a || !z || (match.a != kNone && HasZero(*a))) {
      match = PlainSign(match);
      layout = LayoutOf(graph_, match.input);
      a = PerHead(kNone, layout, 1.0f);
      z = PerHead(kNone, layout, 0.0f);
    }
    auto level_a = PerHead(match.level_a, layout, 1.0f);
    auto level_z = PerHead(match.level_z, layout, 0.0f);
    if (!level_a || !level_z) {
      match = WithoutLevels(match);
      level_a = PerHead(kNone, layout, 1.0f);
      level_z = PerHead(kNone, layout, 0.0f);
    }
    Snap(*z);
    Snap(*level_z);
    BITTERN_TRY_ASSIGN(const ValueId codes, EmitCodes(match, layout, *a, *z));
    return EmitLevels(match, layout, codes, *level_a, *level_z);
  }

  int count() const { return count_; }
  int snapped() const { return snapped_; }

 private:
  std::optional<std::vector<float>> PerHead(ValueId id,
                                            const HeadLayout& layout,
                                            float fallback) const {
    const auto heads = static_cast<size_t>(layout.heads);
    if (id == kNone) return std::vector<float>(heads, fallback);
    if (layout.group > 0) return AlongAxis(graph_, id, layout.shape, 2);
    if (layout.shape.rank() == 0) return std::nullopt;
    // One value for each column may be the same for all.
    const size_t columns = layout.shape.rank() - 1;
    const auto values = AlongAxis(graph_, id, layout.shape, columns);
    if (!values || values->empty()) return std::nullopt;
    const float value = (*values)[0];
    if (std::any_of(values->begin(), values->end(),
                    [value](float v) { return v != value; })) {
      return std::nullopt;
    }
    return std::vector<float>{value};
  }

  static bool HasZero(const std::vector<float>& a) {
    return std::find(a.begin(), a.end(), 0.0f) != a.end();
  }

  // The same Sign with its scale and zero point left to float nodes.
  AffineSign PlainSign(const AffineSign& match) const {
    AffineSign plain = match;
    plain.input = match.shifted;
    plain.a = plain.z = kNone;
    return plain;
  }

  static AffineSign WithoutLevels(const AffineSign& match) {
    AffineSign plain = match;
    plain.last = match.sign;
    plain.level_a = plain.level_z = kNone;
    return plain;
  }

  void Snap(std::vector<float>& zero_points) {
    for (float& z : zero_points) {
      const std::optional<int32_t> integer = SnapToInteger(z);
      if (!integer || static_cast<float>(*integer) == z) continue;
      z = static_cast<float>(*integer);
      ++snapped_;
    }
  }

  // Zero points that lift sums of exactly 0 to the least positive ones, which
  // are normal numbers, so that no mode of the CPU flushes them.
  static std::vector<float> JustAbove(std::vector<float> zero_points) {
    using Limits = std::numeric_limits<float>;
    for (float& z : zero_points) {
      z = z == 0.0f ? Limits::min() : std::nextafter(z, Limits::infinity());
    }
    return zero_points;
  }

  Result<ValueId> EmitCodes(const AffineSign& match, const HeadLayout& layout,
                            const std::vector<float>& a,
                            const std::vector<float>& z) {
    const std::string name = graph_.node(match.sign).name;
    const std::string output =
        graph_.value(graph_.node(match.sign).outputs[0]).name;
    ValueId x = match.input;
    if (layout.group > 0) {
      BITTERN_TRY_ASSIGN(
          x, EmitReshape(graph_, name, x, layout.flat, output + ".rows"));
    }
    std::vector<ValueId> inputs = {x};
    if (match.affine() || zero_is_positive_) {
      inputs.push_back(AddVector(graph_, output + ".a", a));
      inputs.push_back(AddVector(graph_, output + ".z",
                                 zero_is_positive_ ? JustAbove(z) : z));
    }
    AttributeMap attributes;
    if (layout.group > 0) attributes["group"] = layout.group;
    ++count_;
    return Emit(graph_, "Binarize", name, inputs, attributes,
                output + ".codes");
  }

  Result<void> EmitLevels(const AffineSign& match, const HeadLayout& layout,
                          ValueId codes, const std::vector<float>& a,
                          const std::vector<float>& z) {
    const std::string name = graph_.node(match.last).name;
    std::vector<ValueId> inputs = {codes};
    if (match.level_a != kNone || match.level_z != kNone) {
      const std::string output =
          graph_.value(graph_.node(match.last).outputs[0]).name;
      inputs.push_back(AddVector(graph_, output + ".a", a));
      inputs.push_back(AddVector(graph_, output + ".z", z));
    }
    if (layout.group == 0) {
      return Rewrite(graph_, match.last, "Dequantize", inputs, {});
    }
    BITTERN_TRY_ASSIGN(const ValueId rows, Emit(graph_, "Dequantize", name,
                                                inputs, {}, name + ".rows"));
    return RewriteAsReshape(graph_, match.last, rows, layout.shape);
  }

  Graph& graph_;
  bool zero_is_positive_;
  int count_ = 0, snapped_ = 0;
};

bool IsFloatActivation(const Graph& graph, ValueId id) {
  const std::optional<Shape> shape = StaticShape(graph, id);
  return shape && shape->rank() > 0 && !graph.IsConstant(id) &&
         graph.value(id).type->dtype == runtime::DType::kF32;
}

}  // namespace

Result<void> BinarizeActivations(Graph& graph, PassContext& context) {
  const bool positive = context.options.sign_zero_positive;
  if (positive) {
    graph.notes.push_back(
        "--sign-zero positive: Sign(0) is +1, but for probabilities inside "
        "attention; this is lossy");
  }
  Binarizer binarizer(graph, positive);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed || graph.node(id).op != "Sign" ||
        !IsFloatActivation(graph, graph.node(id).inputs[0])) {
      continue;
    }
    BITTERN_TRY(binarizer.Visit(id));
  }
  if (binarizer.count() > 0) {
    graph.notes.push_back(
        fmt::format("signs that became 1-bit codes: {}", binarizer.count()));
  }
  if (binarizer.snapped() > 0) {
    graph.notes.push_back(fmt::format(
        "zero points snapped to the nearest integer: {}", binarizer.snapped()));
  }
  return {};
}

}  // namespace bittern::convert
