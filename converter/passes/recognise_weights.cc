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

#include "converter/passes/factor_columns.h"
#include "converter/passes/few_levels.h"
#include "converter/passes/fold_input_scales.h"
#include "converter/passes/linear_chain.h"
#include "converter/passes/low_bit_linear.h"
#include "converter/passes/low_bit_product.h"
#include "converter/passes/passes.h"
#include "converter/passes/two_values.h"
#include "kernels/gemm/gemm.h"

namespace bittern::convert {
namespace {

using Kind = Activation::Kind;

// `id` as a vector of n values.
std::vector<float> PerChannel(const Graph& graph, ValueId id, int64_t n) {
  std::vector<float> values = graph.F32(id);
  if (values.size() == 1) values.resize(static_cast<size_t>(n), values[0]);
  return values;
}

std::string TwoValuesText(double max_ulp) {
  return fmt::format("1 bit {{a,b}}, {:.2g} ulp", max_ulp);
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
    WeightCodes weights = ClassifyWeights(graph_.F32(chain.weight), k, n);
    Activation activation = ActivationOf(graph_, chain.input);
    const std::string found = weights.Text();
    const unsigned found_bits = weights.type.bits;
    Factor(activation, weights, chain.k);
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
    LayerRecord record = RecordOf(chain, activation, found);
    if (weights.type.bits != found_bits) {
      record.weights += fmt::format(", in {} bits", weights.type.bits);
    }
    record.reason = weights.reason;
    if (weights.reason.empty()) {
      record.max_ulp = weights.max_ulp;
      record.pattern = PatternOf(graph_, context_, activation) + "W6";
      record.reason = CheckRange(graph_, activation, weights, chain.k);
      if (record.reason.empty()) {
        BITTERN_TRY(Replace(chain, activation, weights, record));
      }
    }
    if (activation.kind == Kind::kFloat && weights.reason.empty() &&
        !HasFewLevels(graph_, chain.input)) {
      WarnOfFloats(record, weights);
    }
    // A convolution of one pixel has become this product.
    std::erase_if(context_.layers, [&record](const LayerRecord& other) {
      return other.name == record.name;
    });
    context_.layers.push_back(std::move(record));
    return {};
  }

  // Columns become codes of one scale where they can.
  void Factor(Activation& activation, WeightCodes& weights, int64_t k) const {
    if (activation.kind != Kind::kColumn || !weights.reason.empty()) return;
    auto factored = FactorColumns(activation, weights);
    if (!factored ||
        !CheckRange(graph_, factored->activation, factored->weights, k)
             .empty()) {
      return;
    }
    activation = std::move(factored->activation);
    weights = std::move(factored->weights);
  }

  // Groups have one scale for each block of inputs, so sums are in floats.
  Result<void> VisitGroups(const LinearChain& chain,
                           const GroupedWeights& groups) {
    const Activation activation = ActivationOf(graph_, chain.input);
    LayerRecord record = RecordOf(chain, activation, groups.Text());
    record.pattern = PatternOf(graph_, context_, activation) + "W7";
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
    record.pattern = PatternOf(graph_, context_, activation) + "W6";
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
      const InputScale mode = ModeFor(graph_, context_, activation, chain.k);
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
    BITTERN_TRY(AddZeroPoints(graph_, weight, activation, weights, inputs));
    return inputs;
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

}  // namespace

Result<void> RecogniseWeights(Graph& graph, PassContext& context) {
  Recogniser recogniser(graph, context);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    if (graph.node(id).removed) continue;
    if (std::optional<LinearChain> chain = MatchLinear(graph, id)) {
      BITTERN_TRY(recogniser.Visit(*chain));
    }
  }
  recogniser.AddNotes();
  return {};
}

}  // namespace bittern::convert
