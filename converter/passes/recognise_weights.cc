// Products by constant matrices whose rows are small integers times a scale
// become LowBitLinear, with the weights in the narrowest encoding. Activation
// codes whose scale factors out (one for the tensor or the row) make it an
// exact product of integers; with a scale per input channel and with float
// activations the weights stay packed and the sum is in floats, unless
// --input-scale says to fold the scales into wider weights. A factor per
// channel that follows (the collapsed spelling: integer weights, then the
// scale) becomes the scale, an offset the bias. Every other product gets a
// record with the reason why it is float.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "converter/passes/activation.h"
#include "converter/passes/fold_input_scales.h"
#include "converter/passes/linear_chain.h"
#include "converter/passes/low_bit_linear.h"
#include "converter/passes/passes.h"
#include "converter/passes/two_values.h"
#include "converter/passes/value_set.h"
#include "kernels/gemm/gemm.h"

namespace bittern::convert {
namespace {

using Kind = Activation::Kind;

constexpr int64_t kMaxK = int64_t{1} << 24;
// Zero points made at run time are codes or near them.
constexpr int64_t kMaxRunTimeZero = 1 << 8;

Result<ValueId> AddCodes(Graph& graph, const std::string& name,
                         const runtime::CodeType& code,
                         const std::vector<int16_t>& values, int64_t n) {
  const auto rows = static_cast<size_t>(n);
  const size_t k = values.size() / rows;
  const TensorType type{
      runtime::DType::kCode, {n, static_cast<int64_t>(k)}, code};
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                     runtime::AlignedBuffer::Make(runtime::ByteSize(type)));
  const kernels::Operand operand = runtime::OperandOf(code);
  for (size_t j = 0; j < rows; ++j) {
    for (size_t i = 0; i < k; ++i) {
      kernels::PutValue(buffer.data(), operand, k, j, i, values[j * k + i]);
    }
  }
  return graph.AddConstant(
      name, type,
      std::make_shared<const runtime::AlignedBuffer>(std::move(buffer)));
}

// `id` as a vector of n values.
std::vector<float> PerChannel(const Graph& graph, ValueId id, int64_t n) {
  std::vector<float> values = graph.F32(id);
  if (values.size() == 1) values.resize(static_cast<size_t>(n), values[0]);
  return values;
}

std::vector<int64_t> RowSums(const std::vector<int16_t>& values, size_t n) {
  std::vector<int64_t> sums(n);
  const size_t k = values.size() / n;
  for (size_t i = 0; i < values.size(); ++i) sums[i / k] += values[i];
  return sums;
}

// Whether sums of K products of such codes fit int32, whatever their values:
// what the runtime asks for.
bool SumsFit(const Graph& graph, const Activation& a,
             const runtime::CodeType& weights, int64_t k) {
  const kernels::GemmTypes types{
      runtime::OperandOf(weights),
      runtime::OperandOf(graph.value(a.codes).type->code)};
  return static_cast<size_t>(k) <= kernels::MaxK(types, 32);
}

// Why the product is not made; empty if it is.
std::string CheckRange(const Graph& graph, const Activation& a,
                       const WeightCodes& w, int64_t k) {
  if (k > kMaxK) return fmt::format("more than {} inputs a channel", kMaxK);
  if (a.kind == Kind::kFloat || a.kind == Kind::kColumn) {
    return w.type.bits <= 8 ? "" : "weights of more than 8 bits";
  }
  int64_t zero = 0;
  if (a.kind == Kind::kTensor) {
    zero = std::llabs(static_cast<int64_t>(a.zero[0]));
  } else if (a.row_zero != kNone) {
    zero = kMaxRunTimeZero;
    for (float z : graph.F32(a.row_zero)) {  // none if it is made at run time
      zero = std::max(zero, static_cast<int64_t>(std::fabs(z)));
    }
  }
  const auto [lo, hi] = std::minmax_element(w.values.begin(), w.values.end());
  const int64_t weight = std::max({1, -int{*lo}, int{*hi}});
  const int64_t largest = weight * (a.range.MaxAbs() + zero);
  if (SumsFit(graph, a, w.type, k) && zero <= INT32_MAX &&
      largest <= INT32_MAX / k) {
    return "";
  }
  return "sums of its codes need more than 32 bits";
}

std::string TwoValuesText(double max_ulp) {
  return fmt::format("1 bit {{a,b}}, {:.2g} ulp", max_ulp);
}

const char* NameOf(InputScale mode) {
  return mode == InputScale::kExact    ? "exact"
         : mode == InputScale::kFast16 ? "fast16"
                                       : "fast8";
}

// A product by a factor rounds once more than a scale does, so the factor can
// become the scale only if the scales themselves are 1.
bool TakesFactor(const std::vector<float>& scales) {
  return std::all_of(scales.begin(), scales.end(),
                     [](float s) { return s == 1.0f; });
}

class Recogniser {
 public:
  Recogniser(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  Result<void> Visit(const LinearChain& chain) {
    const GroupedWeights* groups = GroupsOf(chain);
    if (groups != nullptr && groups->block < static_cast<size_t>(chain.k)) {
      return VisitGroups(chain, *groups);
    }
    const auto n = static_cast<size_t>(chain.n);
    const auto k = static_cast<size_t>(chain.k);
    const WeightCodes weights = ClassifyWeights(graph_.F32(chain.weight), k, n);
    const Activation activation = ActivationOf(graph_, chain.input);
    const bool floats =
        activation.kind == Kind::kFloat || activation.kind == Kind::kColumn;
    // Codes less a zero point that take 16 bits, for which floats have no
    // kernel.
    const bool wide = floats && weights.type.bits > 8;
    if (groups != nullptr && (wide || !weights.reason.empty())) {
      return VisitGroups(chain, *groups);
    }
    if ((wide || !weights.reason.empty()) && chain.k <= kMaxK) {
      const std::vector<float> values = graph_.F32(chain.weight);
      const auto two = ClassifyTwoValues(values, k, n);
      if (two) return VisitTwoValues(chain, activation, *two);
      const auto by_value = GroupsByValue(values, k, n);
      if (by_value) return VisitGroups(chain, *by_value);
    }
    LayerRecord record = RecordOf(chain, activation, weights.Text());
    record.reason = weights.reason;
    if (weights.reason.empty()) {
      record.max_ulp = weights.max_ulp;
      record.pattern = PatternOf(activation) + "W6";
      record.reason = CheckRange(graph_, activation, weights, chain.k);
      if (record.reason.empty()) {
        BITTERN_TRY(Replace(chain, activation, weights, record));
      }
    }
    if (activation.kind == Kind::kFloat && weights.reason.empty()) {
      WarnOfFloats(record, weights);
    }
    context_.layers.push_back(std::move(record));
    return {};
  }

  // Groups have one scale for each block of inputs, so sums are in floats.
  Result<void> VisitGroups(const LinearChain& chain,
                           const GroupedWeights& groups) {
    const Activation activation = ActivationOf(graph_, chain.input);
    LayerRecord record = RecordOf(chain, activation, groups.Text());
    record.pattern = PatternOf(activation) + "W7";
    record.max_ulp = groups.max_ulp;
    return ReplaceByGroups(chain, activation, groups, std::move(record));
  }

  Result<void> ReplaceByGroups(const LinearChain& chain,
                               const Activation& activation,
                               const GroupedWeights& groups,
                               LayerRecord record) {
    if (activation.kind != Kind::kFloat) {
      record.input_scale = NameOf(InputScale::kExact);
    }
    context_.layers.push_back(std::move(record));
    const std::string weight = graph_.value(chain.weight).name;
    std::vector<ValueId> inputs(kLowBitInputs, kNone);
    inputs[kCodesInput] = chain.input;
    BITTERN_TRY_ASSIGN(inputs[kWeightInput],
                       AddCodes(graph_, weight + ".bits", groups.type,
                                groups.values, chain.n));
    const Shape lists{chain.n,
                      static_cast<int64_t>(groups.scales.size()) / chain.n};
    inputs[kGroupScaleInput] =
        graph_.AddF32(weight + ".group_scale", lists, groups.scales);
    const std::string zero = weight + ".group_zero";
    if (groups.HasByteZeros()) {
      BITTERN_TRY_ASSIGN(inputs[kGroupZeroInput],
                         AddU8(graph_, zero, lists,
                               {groups.zeros.begin(), groups.zeros.end()}));
    } else if (!groups.zeros.empty()) {
      inputs[kGroupZeroInput] = graph_.AddF32(zero, lists, groups.zeros);
    }
    return Finish(chain, std::move(inputs), {}, {},
                  {{"block", static_cast<int64_t>(groups.block)}});
  }

  // {a, b}: middle + half * t, t = -1 or +1.
  Result<void> VisitTwoValues(const LinearChain& chain,
                              const Activation& activation,
                              const TwoValuedWeights& weights) {
    LayerRecord record = RecordOf(chain, activation, "");
    record.pattern = PatternOf(activation) + "W6";
    if (activation.kind == Kind::kFloat || activation.kind == Kind::kColumn) {
      const GroupedWeights group = weights.AsGroup();
      record.max_ulp = group.max_ulp;
      record.weights = TwoValuesText(record.max_ulp);
      return ReplaceByGroups(chain, activation, group, std::move(record));
    }
    const TwoValuedWeights::Signs signs = weights.AsSigns();
    record.max_ulp = signs.codes.max_ulp;
    record.weights = TwoValuesText(record.max_ulp);
    record.reason = CheckRange(graph_, activation, signs.codes, chain.k);
    if (record.reason.empty()) {
      std::vector<float> scales;
      BITTERN_TRY_ASSIGN(std::vector<ValueId> inputs,
                         CodeInputs(graph_.value(chain.weight).name, activation,
                                    signs.codes, scales));
      BITTERN_TRY_ASSIGN(inputs[kResidualInput],
                         AddMiddle(chain, activation, signs.middle));
      BITTERN_TRY(Finish(chain, std::move(inputs), std::move(scales), {}));
    } else {
      record.weights = "f32";
    }
    context_.layers.push_back(std::move(record));
    return {};
  }

  // sum_k x[m][k] * middle[n]: one sum for each row, by weights of 1.
  Result<ValueId> AddMiddle(const LinearChain& chain,
                            const Activation& activation,
                            const std::vector<float>& middle) {
    const std::string name =
        graph_.node(chain.matmul).name + std::string(kRowSumSuffix);
    WeightCodes ones;
    ones.type = {runtime::Encoding::kBipolar, 1, 0};
    ones.scales = {1.0f};
    ones.values.assign(static_cast<size_t>(chain.k), 1);
    std::vector<float> scales;
    BITTERN_TRY_ASSIGN(std::vector<ValueId> inputs,
                       CodeInputs(name, activation, ones, scales));
    inputs[kScaleInput] = AddVector(graph_, name + ".scale", scales);
    TrimAbsent(inputs);
    BITTERN_TRY_ASSIGN(const ValueId sum,
                       Emit(graph_, "LowBitLinear", name, std::move(inputs),
                            {{"epilogue", std::string("f32")}}, name));
    const ValueId factor = AddVector(graph_, name + ".middle", middle);
    return Emit(graph_, "Mul", name, {sum, factor}, {}, name + ".product");
  }

  void AddNotes() {
    if (per_channel_ == 0) return;
    const InputScale mode = context_.options.input_scale;
    graph_.notes.push_back(fmt::format(
        "layers with an activation scale per input channel: {}, {} ({})",
        per_channel_, NameOf(mode),
        mode == InputScale::kExact
            ? "float sums over packed weights"
            : "integer sums where 32 bits hold them; codes near a tie change"));
  }

 private:
  // What find_groups found, if the weight still is what it was.
  const GroupedWeights* GroupsOf(const LinearChain& chain) const {
    const auto found = context_.groups.find(graph_.value(chain.weight).name);
    if (found == context_.groups.end() || chain.k > kMaxK ||
        found->second.channels != static_cast<size_t>(chain.n) ||
        !kernels::TakesGroups(runtime::OperandOf(found->second.type)) ||
        !StandFor(found->second, graph_.F32(chain.weight))) {
      return nullptr;
    }
    return &found->second;
  }

  LayerRecord RecordOf(const LinearChain& chain, const Activation& activation,
                       std::string weights) const {
    LayerRecord record;
    record.name = graph_.node(chain.matmul).name;
    record.op = "MatMul";
    record.weight_shape = {chain.n, chain.k};
    record.weights = std::move(weights);
    record.activations = activation.text;
    return record;
  }

  std::string PatternOf(const Activation& a) const {
    if (a.codes == kNone) return "";
    const auto found = context_.patterns.find(graph_.value(a.codes).name);
    return (found == context_.patterns.end() ? "sign" : found->second) + " + ";
  }

  // The mode that was asked for, where its sums fit int32.
  InputScale ModeFor(const Activation& activation, int64_t k) const {
    const InputScale mode = context_.options.input_scale;
    if (mode == InputScale::kExact ||
        SumsFit(graph_, activation, FoldedType(mode), k)) {
      return mode;
    }
    return InputScale::kExact;
  }

  void WarnOfFloats(const LayerRecord& record, const WeightCodes& weights) {
    if (weights.type.encoding != runtime::Encoding::kBipolar) return;
    graph_.notes.push_back(fmt::format(
        "warning: '{}' has 1-bit weights but float activations: exporters lose "
        "a Sign that is written with .data",
        record.name));
  }

  Result<void> Replace(const LinearChain& chain, const Activation& activation,
                       const WeightCodes& weights, LayerRecord& record) {
    const std::string weight = graph_.value(chain.weight).name;
    if (activation.kind == Kind::kColumn) {
      const InputScale mode = ModeFor(activation, chain.k);
      record.input_scale = NameOf(mode);
      ++per_channel_;
      if (mode != InputScale::kExact) {
        const FoldedWeights folded = FoldInputScales(activation, weights, mode);
        std::vector<ValueId> inputs(kLowBitInputs, kNone);
        inputs[kCodesInput] = activation.codes;
        BITTERN_TRY_ASSIGN(inputs[kWeightInput],
                           AddCodes(graph_, weight + ".bits", folded.type,
                                    folded.values, chain.n));
        return Finish(chain, std::move(inputs), folded.scales, folded.bias);
      }
    }
    std::vector<float> scales;
    BITTERN_TRY_ASSIGN(std::vector<ValueId> inputs,
                       CodeInputs(weight, activation, weights, scales));
    if (activation.kind == Kind::kFloat || activation.kind == Kind::kColumn) {
      inputs[kCodesInput] = chain.input;
    }
    return Finish(chain, std::move(inputs), std::move(scales), {});
  }

  // Codes, weights and what zero points add; `scales` of the product's rows.
  Result<std::vector<ValueId>> CodeInputs(const std::string& weight,
                                          const Activation& activation,
                                          const WeightCodes& weights,
                                          std::vector<float>& scales) {
    std::vector<ValueId> inputs(kLowBitInputs, kNone);
    inputs[kCodesInput] = activation.codes;
    scales = weights.scales;
    if (activation.kind == Kind::kTensor) {
      for (float& s : scales) s *= activation.scale[0];
    }
    BITTERN_TRY_ASSIGN(
        inputs[kWeightInput],
        AddCodes(graph_, weight + ".bits", weights.type, weights.values,
                 static_cast<int64_t>(scales.size())));
    BITTERN_TRY(AddZeroPoints(weight, activation, weights, inputs));
    return inputs;
  }

  // Shares of the zero points: exact in int32, which CheckRange has seen to.
  Result<void> AddZeroPoints(const std::string& weight, const Activation& a,
                             const WeightCodes& weights,
                             std::vector<ValueId>& inputs) {
    const std::vector<int64_t> sums =
        RowSums(weights.values, weights.scales.size());
    std::vector<int32_t> terms;
    if (a.kind == Kind::kTensor && a.zero[0] != 0) {
      const auto zero = static_cast<int64_t>(a.zero[0]);
      for (int64_t sum : sums) {
        terms.push_back(static_cast<int32_t>(-zero * sum));
      }
      BITTERN_TRY_ASSIGN(inputs[kCorrectionInput],
                         AddI32(graph_, weight + ".correction", terms));
    }
    if (a.kind != Kind::kRow) return {};
    inputs[kRowScaleInput] = a.row_scale;
    if (a.row_zero == kNone) return {};
    const std::string name = graph_.value(a.row_zero).name;
    BITTERN_TRY_ASSIGN(
        const ValueId negative,
        Emit(graph_, "Neg", name, {a.row_zero}, {}, name + ".negative"));
    BITTERN_TRY_ASSIGN(inputs[kRowTermInput],
                       Emit(graph_, "Cast", name, {negative},
                            {{"to", std::string("i32")}}, name + ".i32"));
    for (int64_t sum : sums) terms.push_back(static_cast<int32_t>(sum));
    BITTERN_TRY_ASSIGN(inputs[kColumnTermInput],
                       AddI32(graph_, weight + ".sums", terms));
    return {};
  }

  // Takes the factor and the offset that follow, and makes the node. No scales:
  // the weights have their own.
  Result<void> Finish(const LinearChain& chain, std::vector<ValueId> inputs,
                      std::vector<float> scales, std::vector<double> bias,
                      AttributeMap attributes = {}) {
    const std::string name = graph_.node(chain.matmul).name;
    const std::string weight = graph_.value(chain.weight).name;
    NodeId last = chain.matmul;
    const auto user_of = [this](NodeId node) {
      return *OnlyUser(graph_, graph_.node(node).outputs[0]);
    };
    const bool with_factor = chain.factor != kNone && bias.empty() &&
                             inputs[kRowScaleInput] == kNone &&
                             inputs[kResidualInput] == kNone &&
                             TakesFactor(scales);
    if (with_factor) {
      scales = PerChannel(graph_, chain.factor, chain.n);
      last = user_of(last);
    }
    if (!scales.empty()) {
      inputs[kScaleInput] = AddVector(graph_, weight + ".scale", scales);
    }
    // A factor that stays a node stands between the product and the offset.
    if (chain.offset != kNone && (chain.factor == kNone || with_factor)) {
      const std::vector<float> offset =
          PerChannel(graph_, chain.offset, chain.n);
      bias.resize(offset.size());
      for (size_t i = 0; i < offset.size(); ++i) {
        bias[i] += static_cast<double>(offset[i]);
      }
      last = user_of(last);
    }
    if (!bias.empty()) {
      inputs[kBiasInput] =
          AddVector(graph_, weight + ".bias", {bias.begin(), bias.end()});
    }
    TrimAbsent(inputs);
    graph_.node(last).name = name;
    attributes["epilogue"] = std::string("f32");
    return Rewrite(graph_, last, "LowBitLinear", inputs, attributes);
  }

  Graph& graph_;
  PassContext& context_;
  int per_channel_ = 0;
};

// Convolutions have no low-bit kernel yet; the report says what was found.
LayerRecord RecordOfConv(const Graph& graph, const Node& node) {
  LayerRecord record;
  record.name = node.name;
  record.op = "Conv";
  const Activation activation = ActivationOf(graph, node.inputs[0]);
  record.activations = activation.text;
  const std::optional<Shape> shape = StaticShape(graph, node.inputs[1]);
  const int64_t n = shape && shape->rank() > 0 ? (*shape)[0] : 0;
  if (n > 0) record.weight_shape = {n, shape->Elements() / n};
  const WeightCodes weights =
      ClassifyRows(graph.F32(node.inputs[1]), static_cast<size_t>(n));
  record.weights = weights.Text();
  record.max_ulp = weights.max_ulp;
  record.reason = weights.reason.empty()
                      ? "this version has no low-bit convolution"
                      : weights.reason;
  return record;
}

}  // namespace

Result<void> RecogniseWeights(Graph& graph, PassContext& context) {
  Recogniser recogniser(graph, context);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed) continue;
    if (graph.node(id).op == "Conv") {
      context.layers.push_back(RecordOfConv(graph, graph.node(id)));
    } else if (std::optional<LinearChain> chain = MatchLinear(graph, id)) {
      BITTERN_TRY(recogniser.Visit(*chain));
    }
  }
  recogniser.AddNotes();
  return {};
}

}  // namespace bittern::convert
