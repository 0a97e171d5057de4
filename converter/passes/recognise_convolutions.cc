// Convolutions of activation codes by weights whose filters are small integers
// times a scale become LowBitConv, which has channels last:
//   Conv(Dequantize(Quantize(x))) [-> Mul, Add ... by constants per channel]
//     -> Transpose(LowBitConv(Quantize(Transpose(x))))
// with the constants (a scale, a BatchNormalization) folded into scale and bias
// in double and rounded once. Transposes that meet cancel in channels_last. A
// scale per input channel does not factor out: LowBitConv multiplies the
// integer sum of a channel's taps by it, if there are taps enough; others are
// float sums over packed weights. --input-scale says to fold the scales into
// wider weights, where that is faster. Every other convolution gets a record
// with the reason why it is float.
#include <algorithm>
#include <cmath>
#include <map>

#include "converter/passes/channel_affine.h"
#include "converter/passes/dynamic_scale.h"
#include "converter/passes/fold_input_scales.h"
#include "converter/passes/image_layout.h"
#include "converter/passes/low_bit_linear.h"
#include "converter/passes/low_bit_product.h"
#include "converter/passes/passes.h"
#include "kernels/conv/scaled.h"
#include "kernels/gemm/gemm.h"

namespace bittern::convert {
namespace {

using Kind = Activation::Kind;
using runtime::Encoding;

// Fewer are faster as floats.
constexpr int64_t kTapsWorthScaling = 4;

struct ConvMatch {
  NodeId conv = kNone;
  Shape x, w;  // [B,C,H,W], [N,C / groups,kh,kw]
  int64_t groups = 1;
  bool padded = false;
  Activation activation;
  int64_t k() const { return w[1] * w[2] * w[3]; }
};

// The constant for rows [B,C,H] of a quantiser, if it is one for each channel.
std::vector<float> PerChannel(const Graph& graph, ValueId id, const Shape& x) {
  const std::vector<float> rows = graph.F32(id);
  const auto channels = static_cast<size_t>(x[1]);
  const auto height = static_cast<size_t>(x[2]);
  if (rows.size() != static_cast<size_t>(x[0]) * channels * height) return {};
  std::vector<float> values;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t c = i / height % channels;
    if (i < channels * height && i % height == 0) values.push_back(rows[i]);
    if (rows[i] != rows[c * height]) return {};
  }
  return values;
}

// Rows of an image that share the scale of their channel: columns, once the
// channels are last. What belongs to rows or columns of pixels is refused.
std::string FitToImage(const Graph& graph, const Shape& x, Activation& a) {
  if (a.kind == Kind::kColumn) return "a scale for each column of the image";
  if (a.kind != Kind::kRow) return "";
  if (StaticShape(graph, a.row_scale) == Shape{1}) return "";
  if (!graph.IsConstant(a.row_scale)) {
    return "a scale made at run time for each row of the image";
  }
  a.scale = PerChannel(graph, a.row_scale, x);
  a.zero.assign(a.scale.size(), 0.0f);
  if (a.row_zero != kNone) a.zero = PerChannel(graph, a.row_zero, x);
  if (a.scale.empty() || a.zero.empty()) {
    return "a scale for each row of the image";
  }
  const auto same = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(),
                       [&values](float v) { return v == values[0]; });
  };
  const bool tensor = same(a.scale) && same(a.zero);
  a.kind = tensor ? Kind::kTensor : Kind::kColumn;
  if (tensor) {
    a.scale.resize(1);
    a.zero.resize(1);
  }
  a.text.replace(a.text.rfind(" row"), std::string::npos,
                 tensor ? "" : " channels");
  return "";
}

class Lowerer {
 public:
  Lowerer(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  Result<void> Visit(NodeId id) {
    const Node& node = graph_.node(id);
    LayerRecord record;
    record.name = node.name;
    record.op = "Conv";
    ConvMatch match;
    match.conv = id;
    match.activation = ActivationOf(graph_, node.inputs[0]);
    record.activations = match.activation.text;
    const auto x = StaticShape(graph_, node.inputs[0]);
    const auto w = StaticShape(graph_, node.inputs[1]);
    const int64_t n = w && w->rank() == 4 ? (*w)[0] : 0;
    const std::vector<float> values = graph_.F32(node.inputs[1]);
    WeightCodes weights = ClassifyRows(
        n > 0 && !values.empty() ? FiltersLast(values, *w) : values,
        static_cast<size_t>(n));
    if (n > 0) record.weight_shape = {n, w->Elements() / n};
    record.weights = weights.Text();
    record.max_ulp = weights.max_ulp;
    record.reason = weights.reason;
    if (record.reason.empty()) {
      match.x = *x;
      match.w = *w;
      match.groups = IntOf(node, "group", 1);
      const std::vector<int64_t> pads = IntsOf(node, "pads");
      match.padded = std::any_of(pads.begin(), pads.end(),
                                 [](int64_t pad) { return pad != 0; });
      record.pattern = PatternOf(graph_, context_, match.activation) + "W6";
      record.reason = Check(match, weights);
      record.activations = match.activation.text;
      if (record.reason.empty()) BITTERN_TRY(Lower(match, weights, record));
    }
    context_.layers.push_back(std::move(record));
    return {};
  }

 private:
  // Why the convolution stays float; empty if it does not.
  std::string Check(ConvMatch& match, const WeightCodes& weights) {
    Activation& a = match.activation;
    const std::vector<ValueId>& inputs = graph_.node(match.conv).inputs;
    if (a.kind == Kind::kFloat) return "its activations are floats";
    if (inputs.size() > 2 && inputs[2] != kNone &&
        graph_.F32(inputs[2]).empty())
      return "its bias is no constant";
    const Node* maker = graph_.Producer(a.codes);
    if (maker == nullptr ||
        ProducerIf(graph_, inputs[0], "Dequantize") == nullptr ||
        (maker->op != "Quantize" && maker->op != "Binarize") ||
        StaticShape(graph_, maker->inputs[0]) != match.x) {
      return "its codes are not made for the image";
    }
    if (!ArePerChannel(*maker, match.x)) {
      return "a scale for each row of the image";
    }
    std::string reason = FitToImage(graph_, match.x, a);
    if (reason.empty()) reason = CheckRange(graph_, a, weights, match.k());
    if (reason.empty() && match.padded && a.kind != Kind::kColumn &&
        !PadOf(match) && !PadsAtRunTime(match)) {
      reason = "zero, which the image is padded with, is none of its codes";
    }
    return reason;
  }

  static bool IsPerRow(const Node& node) {
    return StringOf(node, "per") == "row";
  }

  // Whether scales and zero points for rows are constants for channels.
  bool ArePerChannel(const Node& maker, const Shape& x) const {
    if (!IsPerRow(maker)) return true;
    return std::all_of(
        maker.inputs.begin() + 1, maker.inputs.end(), [&](ValueId id) {
          return id == kNone || !PerChannel(graph_, id, x).empty();
        });
  }

  // The code of zero; nothing if there is none.
  std::optional<int64_t> PadOf(const ConvMatch& match) const {
    const Activation& a = match.activation;
    if (a.row_zero != kNone && a.kind == Kind::kRow) return std::nullopt;
    const float zero = a.zero.empty() ? 0.0f : a.zero[0];
    const bool same = std::all_of(a.zero.begin(), a.zero.end(),
                                  [zero](float z) { return z == zero; });
    const Encoding encoding = graph_.value(a.codes).type->code.encoding;
    const kernels::ValueRange range =
        encoding == Encoding::kSign ? kernels::ValueRange{0, 0}
                                    : kernels::RangeOf(runtime::OperandOf(
                                          graph_.value(a.codes).type->code));
    if (!same || zero != std::nearbyint(zero) ||
        zero < static_cast<float>(range.lo) ||
        zero > static_cast<float>(range.hi) ||
        encoding == Encoding::kBipolar2Bytes) {
      return std::nullopt;
    }
    return static_cast<int64_t>(zero);
  }

  // The codes of zero of channels with scales of their own, bytes at least;
  // nothing if one has none.
  std::optional<std::vector<int64_t>> ChannelPadsOf(const Activation& a) const {
    const runtime::CodeType& code = graph_.value(a.codes).type->code;
    if (!runtime::IsByteEncoding(code.encoding) ||
        code.encoding == Encoding::kBipolar2Bytes) {
      return std::nullopt;
    }
    const kernels::ValueRange range = kernels::RangeOf(WidestOf(code));
    std::vector<int64_t> pads;
    for (const float zero : a.zero) {
      if (zero != std::nearbyint(zero) || zero < static_cast<float>(range.lo) ||
          zero > static_cast<float>(range.hi)) {
        return std::nullopt;
      }
      pads.push_back(static_cast<int64_t>(zero));
    }
    return pads;
  }

  static kernels::Operand WidestOf(const runtime::CodeType& code) {
    return code.encoding == Encoding::kUnsignedBytes ? kernels::Operand::kU8
                                                     : kernels::Operand::kS8;
  }

  // Whether the padding is made of codes, or of bytes whose sums fit as well.
  bool CanPad(const ConvMatch& match) const {
    const Activation& a = match.activation;
    const runtime::CodeType& code = graph_.value(a.codes).type->code;
    const auto pads = ChannelPadsOf(a);
    if (!pads) return false;
    const kernels::ValueRange range =
        kernels::RangeOf(runtime::OperandOf(code));
    if (std::all_of(pads->begin(), pads->end(), [&range](int64_t pad) {
          return pad >= range.lo && pad <= range.hi;
        })) {
      return true;
    }
    const InputScale mode = context_.options.input_scale;
    return mode == InputScale::kFast8 &&
           static_cast<size_t>(match.k()) <=
               kernels::MaxK(
                   {runtime::OperandOf(FoldedType(mode)), WidestOf(code)}, 32);
  }

  // Whether zero is the code of the zero point, which only the run knows.
  bool PadsAtRunTime(const ConvMatch& match) const {
    const Activation& a = match.activation;
    const runtime::CodeType& code = graph_.value(a.codes).type->code;
    if (a.kind != Kind::kRow || a.row_zero == kNone ||
        StaticShape(graph_, a.row_zero) != Shape{1} ||
        code.encoding == Encoding::kBipolar2Bytes ||
        !runtime::IsByteEncoding(code.encoding)) {
      return false;
    }
    const kernels::ValueRange range =
        kernels::RangeOf(runtime::OperandOf(code));
    return IsWithin(graph_, a.row_zero, static_cast<float>(range.lo),
                    static_cast<float>(range.hi));
  }

  // x with channels last; one Transpose for all who ask.
  Result<ValueId> ImageOf(ValueId x, const std::string& name) {
    const auto found = images_.find(x);
    if (found != images_.end()) return found->second;
    BITTERN_TRY_ASSIGN(const ValueId image,
                       Emit(graph_, "Transpose", name, {x}, {{"perm", kToLast}},
                            graph_.value(x).name + ".last"));
    images_[x] = image;
    return image;
  }

  // Inputs 1 and 2 of Quantize or Dequantize with channels last.
  std::vector<ValueId> Parameters(const Node& node, const ConvMatch& match) {
    std::vector<ValueId> list;
    for (size_t i = 1; i < std::min<size_t>(node.inputs.size(), 3); ++i) {
      ValueId id = node.inputs[i];
      if (IsPerRow(node) && id != kNone) {
        id = AddVector(graph_, graph_.value(id).name + ".channels",
                       PerChannel(graph_, id, match.x));
      }
      list.push_back(id);
    }
    return list;
  }

  // Columns of one group of sign codes; 0 for one group.
  int64_t PlaneGroup(const ConvMatch& match, const WeightCodes& weights) const {
    const bool depthwise = match.groups == match.x[1] &&
                           match.w[0] == match.x[1] &&
                           weights.type.encoding == Encoding::kBipolar;
    return match.groups == 1 || depthwise ? 0 : match.x[1] / match.groups;
  }

  // The codes with channels last.
  Result<ValueId> CodesOf(const ConvMatch& match, const WeightCodes& weights) {
    const NodeId id = graph_.ProducerId(match.activation.codes);
    const Node maker = graph_.node(id);
    const bool sign = maker.op == "Binarize";
    const int64_t group = sign ? PlaneGroup(match, weights) : 0;
    const auto found = codes_.find({id, group});
    if (found != codes_.end()) return found->second;
    BITTERN_TRY_ASSIGN(const ValueId x, ImageOf(maker.inputs[0], maker.name));
    std::vector<ValueId> inputs = {x};
    AttributeMap attributes = maker.attributes;
    if (IsPerRow(maker)) attributes["per"] = std::string("column");
    for (ValueId parameter : Parameters(maker, match)) {
      if (group > 0 && parameter != kNone) {
        parameter =
            AddVector(graph_, graph_.value(parameter).name + ".groups",
                      std::vector<float>(static_cast<size_t>(match.groups),
                                         *ScalarOf(graph_, parameter)));
      }
      inputs.push_back(parameter);
    }
    if (group > 0) attributes["group"] = group;
    BITTERN_TRY_ASSIGN(const ValueId codes,
                       Emit(graph_, maker.op, maker.name, inputs, attributes,
                            graph_.value(maker.outputs[0]).name + ".last"));
    codes_[{id, group}] = codes;
    return codes;
  }

  // What the codes stand for, with channels last.
  Result<ValueId> LevelsOf(const ConvMatch& match, ValueId codes) {
    const Node levels = *graph_.Producer(graph_.node(match.conv).inputs[0]);
    std::vector<ValueId> inputs = {codes};
    for (ValueId parameter : Parameters(levels, match))
      inputs.push_back(parameter);
    return Emit(graph_, "Dequantize", levels.name, inputs,
                {{"per", std::string("column")}},
                graph_.value(levels.outputs[0]).name + ".last");
  }

  Result<void> Lower(const ConvMatch& match, const WeightCodes& weights,
                     LayerRecord& record) {
    const Activation& a = match.activation;
    const std::string weight =
        graph_.value(graph_.node(match.conv).inputs[1]).name;
    std::vector<ValueId> inputs(kLowBitInputs, kNone);
    BITTERN_TRY_ASSIGN(inputs[kCodesInput], CodesOf(match, weights));
    std::vector<double> scale(weights.scales.begin(), weights.scales.end());
    if (a.kind == Kind::kTensor) {
      for (double& s : scale) s *= static_cast<double>(a.scale[0]);
    }
    AttributeMap padding;
    if (match.padded) padding["pad"] = PadOf(match).value_or(0);
    if (a.kind == Kind::kColumn) {
      const InputScale mode = ModeOf(match);
      record.input_scale = NameOf(mode);
      if (mode != InputScale::kFast8 && CanScaleChannels(match, weights)) {
        record.input_scale = NameOf(InputScale::kExact);
        return LowerScaled(match, weights, std::move(inputs));
      }
      if (mode != InputScale::kExact) {
        return LowerFolded(match, weights, mode, std::move(inputs));
      }
      BITTERN_TRY_ASSIGN(inputs[kCodesInput],
                         LevelsOf(match, inputs[kCodesInput]));
      padding.clear();
    }
    BITTERN_TRY_ASSIGN(inputs[kWeightInput],
                       AddCodes(graph_, weight + ".bits", weights.type,
                                weights.values, match.w[0]));
    BITTERN_TRY(AddZeroPoints(graph_, weight, a, weights, inputs));
    return Finish(match, std::move(inputs), std::move(scale), {}, padding);
  }

  // Whether the taps of a channel add up as integers before its scale comes in:
  // exact, and as fast as 16-bit weights that hold the scales.
  bool CanScaleChannels(const ConvMatch& match,
                        const WeightCodes& weights) const {
    const auto pads = ChannelPadsOf(match.activation);
    if (match.groups != 1 || !pads ||
        match.w[2] * match.w[3] < kTapsWorthScaling) {
      return false;
    }
    runtime::CodeType code = graph_.value(match.activation.codes).type->code;
    const kernels::ValueRange range =
        kernels::RangeOf(runtime::OperandOf(code));
    const bool beyond = std::any_of(
        pads->begin(), pads->end(),
        [&range](int64_t pad) { return pad < range.lo || pad > range.hi; });
    return kernels::TakesScaled(
        {runtime::OperandOf(weights.type),
         beyond ? WidestOf(code) : runtime::OperandOf(code)},
        static_cast<size_t>(match.w[2]), static_cast<size_t>(match.w[3]));
  }

  // Scales of input channels stay, each for the sum of its taps.
  Result<void> LowerScaled(const ConvMatch& match, const WeightCodes& weights,
                           std::vector<ValueId> inputs) {
    const Activation& a = match.activation;
    const std::string weight =
        graph_.value(graph_.node(match.conv).inputs[1]).name;
    BITTERN_TRY_ASSIGN(inputs[kWeightInput],
                       AddCodes(graph_, weight + ".bits", weights.type,
                                weights.values, match.w[0]));
    inputs[kChannelScaleInput] =
        AddVector(graph_, weight + ".channels", a.scale);
    AttributeMap padding;
    const std::vector<int64_t> pads = *ChannelPadsOf(a);
    if (std::any_of(pads.begin(), pads.end(),
                    [](int64_t pad) { return pad != 0; })) {
      padding["channel_pads"] = pads;
    }
    return Finish(match, std::move(inputs),
                  {weights.scales.begin(), weights.scales.end()}, {}, padding);
  }

  // The mode that was asked for, where integers can do it.
  InputScale ModeOf(const ConvMatch& match) const {
    const bool fits = match.groups == 1 && (!match.padded || CanPad(match));
    return fits ? ModeFor(graph_, context_, match.activation, match.k())
                : InputScale::kExact;
  }

  // Scales of input channels go into wider weights.
  Result<void> LowerFolded(const ConvMatch& match, const WeightCodes& weights,
                           InputScale mode, std::vector<ValueId> inputs) {
    const std::string weight =
        graph_.value(graph_.node(match.conv).inputs[1]).name;
    const FoldedWeights folded =
        FoldInputScales(match.activation, weights, mode);
    BITTERN_TRY_ASSIGN(inputs[kWeightInput],
                       AddCodes(graph_, weight + ".bits", folded.type,
                                folded.values, match.w[0]));
    AttributeMap padding;
    if (match.padded) {
      padding["channel_pads"] = *ChannelPadsOf(match.activation);
    }
    return Finish(match, std::move(inputs),
                  {folded.scales.begin(), folded.scales.end()}, folded.bias,
                  padding);
  }

  // Takes what follows, and makes the node.
  Result<void> Finish(const ConvMatch& match, std::vector<ValueId> inputs,
                      std::vector<double> scale, std::vector<double> bias,
                      const AttributeMap& padding) {
    const Node conv = graph_.node(match.conv);
    const std::string weight = graph_.value(conv.inputs[1]).name;
    const ChannelAffine affine = MatchChannelAffine(graph_, conv.outputs[0]);
    bias.resize(scale.size());
    if (conv.inputs.size() > 2 && conv.inputs[2] != kNone) {
      const std::vector<float> given = graph_.F32(conv.inputs[2]);
      for (size_t c = 0; c < bias.size(); ++c) {
        bias[c] += static_cast<double>(given[c]);
      }
    }
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] *= affine.factor[c];
      bias[c] = bias[c] * affine.factor[c] + affine.offset[c];
    }
    inputs[kScaleInput] =
        AddVector(graph_, weight + ".scale", {scale.begin(), scale.end()});
    if (std::any_of(bias.begin(), bias.end(),
                    [](double b) { return b != 0; })) {
      inputs[kBiasInput] =
          AddVector(graph_, weight + ".bias", {bias.begin(), bias.end()});
    }
    TrimAbsent(inputs);
    AttributeMap attributes = {
        {"epilogue", std::string("f32")},
        {"kernel", std::vector<int64_t>{match.w[2], match.w[3]}}};
    for (const char* name : {"strides", "pads", "dilations"}) {
      attributes[name] = IntsOf(conv, name);
    }
    if (match.groups != 1) attributes["groups"] = match.groups;
    for (const auto& [name, value] : padding) {
      if (value != runtime::AttributeValue(int64_t{0}))
        attributes[name] = value;
    }
    if (match.padded && PadsAtRunTime(match)) {
      attributes["pad_row_term"] = int64_t{1};
    }
    const NodeId last = affine.last == kNone ? match.conv : affine.last;
    BITTERN_TRY_ASSIGN(
        const ValueId y,
        Emit(graph_, "LowBitConv", conv.name, inputs, attributes,
             graph_.value(graph_.node(last).outputs[0]).name + ".last"));
    return Rewrite(graph_, last, "Transpose", {y}, {{"perm", kToFirst}});
  }

  Graph& graph_;
  PassContext& context_;
  std::map<ValueId, ValueId> images_;
  std::map<std::pair<NodeId, int64_t>, ValueId> codes_;
};

}  // namespace

Result<void> RecogniseConvolutions(Graph& graph, PassContext& context) {
  Lowerer lowerer(graph, context);
  return ForEachNode(graph, "Conv",
                     [&](NodeId id) { return lowerer.Visit(id); });
}

}  // namespace bittern::convert
