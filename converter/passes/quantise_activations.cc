// Quantisers of activations become codes of 2 to 8 bits: the chain around a
// Round -> Dequantize(Quantize(x, scale, zero), scale, zero), one scale for the
// tensor, for each column (a head's is repeated for its columns, and its codes
// are made in the [B,N,H*d] layout of the projection) or for each row. The
// order of the float operations is kept. What does not fit stays float, with
// the reason in a note.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "converter/passes/affine_sign.h"
#include "converter/passes/dynamic_scale.h"
#include "converter/passes/passes.h"
#include "converter/passes/quantiser.h"
#include "converter/passes/scale_layout.h"

namespace bittern::convert {
namespace {

constexpr float kMaxZeroAfter = 1 << 15;  // as kernels/base/byte_quantiser.h

// A parameter as an input of Quantize or Dequantize.
struct Parameter {
  ValueId run_time = kNone;
  std::vector<float> values;  // of a constant
};

class CodeMaker {
 public:
  CodeMaker(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  // Why the Round `id` is no quantiser; empty if it has become one.
  Result<std::string> Visit(NodeId id) {
    std::string reason;
    const std::optional<Quantiser> match = MatchQuantiser(graph_, id, &reason);
    if (!match) return reason;
    if (!StaticShape(graph_, match->input)) {
      return std::string("the shape of its input is not known");
    }
    std::vector<ValueId> parameters = {match->scale, match->zero};
    for (const QuantiserLevel& level : match->levels) {
      parameters.push_back(level.scale);
      parameters.push_back(level.zero);
    }
    const auto layout = FindScaleLayout(graph_, match->input, parameters);
    if (!layout) {
      return std::string(
          "its scale or zero point is neither one for the tensor, one for each "
          "column or head nor one for each row");
    }
    reason = Check(*match, *layout);
    if (!reason.empty()) return reason;
    BITTERN_TRY(Replace(*match, *layout));
    ++count_;
    return std::string();
  }

  int count() const { return count_; }
  int snapped() const { return snapped_; }

 private:
  std::string Check(const Quantiser& q, const ScaleLayout& layout) const {
    if (q.lo < -128 || q.hi > (q.lo < 0 ? 127 : 255)) {
      return fmt::format("its codes {}..{} need more than 8 bits", q.lo, q.hi);
    }
    if (q.scale != kNone && graph_.IsConstant(q.scale)) {
      for (float s : SpreadValues(graph_, q.scale, layout, 1)) {
        if (s == 0 || !std::isfinite(s)) return "a scale is 0 or not finite";
      }
    }
    if (!q.zero_after || q.zero == kNone) return "";
    if (!IsIntegral(graph_, q.zero)) {
      return "a zero point behind the rounding is no integer";
    }
    if (!graph_.IsConstant(q.zero)) return "";
    for (float z : SpreadValues(graph_, q.zero, layout, 0)) {
      if (!(std::fabs(z) <= kMaxZeroAfter)) return "a zero point is too large";
    }
    return "";
  }

  // The ids of onnx-lowbit's catalogue: README.md.
  std::string PatternOf(const Quantiser& q, const ScaleLayout& layout) const {
    if (q.scale != kNone && !graph_.IsConstant(q.scale)) return "A12";
    if (ProducerIf(graph_, q.input, "Softmax") != nullptr) return "A10";
    return layout.per == "tensor" ? q.pattern : q.pattern + "+A13";
  }

  Result<void> Replace(const Quantiser& q, const ScaleLayout& layout) {
    const std::string name = graph_.node(q.round).name;
    const std::string output = graph_.value(q.codes).name;
    ValueId x = q.input;
    if (layout.flattened) {
      BITTERN_TRY_ASSIGN(x, EmitReshape(graph_, name, x, layout.layout.flat,
                                        output + ".rows"));
    }
    BITTERN_TRY_ASSIGN(const ValueId scale,
                       Scale(q.scale, layout, false, output + ".scale"));
    BITTERN_TRY_ASSIGN(const ValueId zero,
                       Zero(q.zero, layout, q.zero_negative, output + ".zero"));
    std::vector<ValueId> inputs = {x, scale};
    if (zero != kNone) inputs.push_back(zero);
    AttributeMap attributes = {
        {"per", layout.per}, {"lo", int64_t{q.lo}}, {"hi", int64_t{q.hi}}};
    if (q.multiply) attributes["multiply"] = int64_t{1};
    if (q.zero_after && zero != kNone) attributes["zero_after"] = int64_t{1};
    BITTERN_TRY_ASSIGN(
        const ValueId codes,
        Emit(graph_, "Quantize", name, inputs, attributes, output + ".codes"));
    context_.patterns[graph_.value(codes).name] = PatternOf(q, layout);
    for (const QuantiserLevel& level : q.levels) {
      BITTERN_TRY(MakeLevel(level, layout, codes));
    }
    return MakeRest(q, layout, codes);
  }

  // A constant scale as a vector, its reciprocal if `inverse`.
  Result<ValueId> Scale(ValueId id, const ScaleLayout& layout, bool inverse,
                        const std::string& name) {
    if (id != kNone && !graph_.IsConstant(id)) {
      BITTERN_TRY_ASSIGN(ValueId scale, SpreadRunTime(graph_, id, layout));
      if (!inverse) return scale;
      return Emit(graph_, "Reciprocal", name, {scale}, {}, name);
    }
    std::vector<float> values = SpreadValues(graph_, id, layout, 1);
    if (inverse) {
      for (float& v : values) v = 1 / v;
    }
    return AddScale(name, values, layout);
  }

  // kNone if all zero points are 0.
  Result<ValueId> Zero(ValueId id, const ScaleLayout& layout, bool negative,
                       const std::string& name) {
    if (id == kNone) return kNone;
    if (!graph_.IsConstant(id)) {
      BITTERN_TRY_ASSIGN(ValueId zero, SpreadRunTime(graph_, id, layout));
      if (!negative) return zero;
      return Emit(graph_, "Neg", name, {zero}, {}, name);
    }
    std::vector<float> values = SpreadValues(graph_, id, layout, 0);
    for (float& z : values) {
      if (negative) z = -z;
      const std::optional<int32_t> integer = SnapToInteger(z);
      if (!integer || static_cast<float>(*integer) == z) continue;
      z = static_cast<float>(*integer);
      ++snapped_;
    }
    if (std::all_of(values.begin(), values.end(),
                    [](float z) { return z == 0; })) {
      return kNone;
    }
    return AddScale(name, values, layout);
  }

  ValueId AddScale(const std::string& name, const std::vector<float>& values,
                   const ScaleLayout& layout) {
    if (layout.per != "row") return AddVector(graph_, name, values);
    Shape shape = layout.layout.shape;
    shape[shape.rank() - 1] = 1;
    return graph_.AddF32(name, shape, values);
  }

  Result<void> MakeLevel(const QuantiserLevel& level, const ScaleLayout& layout,
                         ValueId codes) {
    const std::string output =
        graph_.value(graph_.node(level.last).outputs[0]).name;
    BITTERN_TRY_ASSIGN(
        const ValueId scale,
        Scale(level.scale, layout, level.divides, output + ".scale"));
    BITTERN_TRY_ASSIGN(const ValueId zero,
                       Zero(level.zero, layout, level.adds, output + ".zero"));
    return MakeNumbers(level.last, layout, {codes, scale, zero});
  }

  // Makes `last` the Dequantize of `inputs`, in the shape of x.
  Result<void> MakeNumbers(NodeId last, const ScaleLayout& layout,
                           std::vector<ValueId> inputs) {
    if (inputs.back() == kNone) inputs.pop_back();
    const AttributeMap attributes = {{"per", layout.per}};
    if (!layout.flattened) {
      return Rewrite(graph_, last, "Dequantize", inputs, attributes);
    }
    const std::string name = graph_.node(last).name;
    BITTERN_TRY_ASSIGN(
        const ValueId rows,
        Emit(graph_, "Dequantize", name, inputs, attributes, name + ".rows"));
    return RewriteAsReshape(graph_, last, rows, layout.layout.shape);
  }

  // Readers of the codes themselves get them as numbers of their type.
  Result<void> MakeRest(const Quantiser& q, const ScaleLayout& layout,
                        ValueId codes) {
    if (graph_.UseCount(q.codes) == 0) return {};
    BITTERN_TRY_ASSIGN(
        const ValueId one,
        Scale(kNone, layout, false, graph_.value(q.codes).name + ".one"));
    const runtime::DType dtype = graph_.value(q.codes).type->dtype;
    const NodeId maker = graph_.ProducerId(q.codes);
    if (dtype == runtime::DType::kF32) {
      return MakeNumbers(maker, layout, {codes, one, kNone});
    }
    // `maker` is a Cast: of the numbers instead.
    const std::string name = graph_.node(maker).name;
    BITTERN_TRY_ASSIGN(ValueId numbers,
                       Emit(graph_, "Dequantize", name, {codes, one},
                            {{"per", layout.per}}, name + ".numbers"));
    if (layout.flattened) {
      BITTERN_TRY_ASSIGN(numbers,
                         EmitReshape(graph_, name, numbers, layout.layout.shape,
                                     name + ".heads"));
    }
    return Rewrite(graph_, maker, "Cast", {numbers},
                   {{"to", runtime::ToString(dtype)}});
  }

  Graph& graph_;
  PassContext& context_;
  int count_ = 0, snapped_ = 0;
};

}  // namespace

Result<void> QuantiseActivations(Graph& graph, PassContext& context) {
  CodeMaker maker(graph, context);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed || graph.node(id).op != "Round") continue;
    const auto shape = StaticShape(graph, graph.node(id).inputs[0]);
    // A single number is a zero point or the like.
    if (graph.IsConstant(graph.node(id).inputs[0]) ||
        (shape && shape->Elements() == 1)) {
      continue;
    }
    const std::string name = graph.node(id).name;
    BITTERN_TRY_ASSIGN(const std::string reason, maker.Visit(id));
    if (reason.empty()) continue;
    graph.notes.push_back(
        fmt::format("unmatched quantiser '{}': {}", name, reason));
  }
  if (maker.count() > 0) {
    graph.notes.push_back(
        fmt::format("quantisers that became codes: {}", maker.count()));
  }
  if (maker.snapped() > 0) {
    graph.notes.push_back(fmt::format(
        "zero points snapped to the nearest integer: {}", maker.snapped()));
  }
  return {};
}

}  // namespace bittern::convert
