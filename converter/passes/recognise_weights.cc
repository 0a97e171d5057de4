// Products of sign codes and weights whose rows are +-s become LowBitLinear,
// with the weights as one bit each. A factor per channel that follows (the
// collapsed spelling: +-1 weights, then the scale) becomes the scale, an offset
// the bias. Every other product gets a record with the reason why it is float.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "converter/passes/linear_chain.h"
#include "converter/passes/passes.h"
#include "converter/passes/value_set.h"

namespace bittern::convert {
namespace {

constexpr const char* kSignCodes = "1 bit sign {-1,0,1}";
constexpr int64_t kMaxK = int64_t{1} << 24;  // accumulators stay exact in fp32

// The codes behind a left operand, or why there are none.
struct Codes {
  ValueId id = kNone;
  std::string reason;
};

Codes CodesOf(const Graph& graph, ValueId input) {
  const Node* dequantize = ProducerIf(graph, input, "Dequantize");
  if (dequantize == nullptr) {
    return {kNone, "float activations: no sign in front"};
  }
  if (dequantize->inputs.size() > 1) {
    return {kNone, "activation levels with a scale or zero point"};
  }
  const ValueId codes = dequantize->inputs[0];
  if (graph.value(codes).type->code.group != 0) {
    return {kNone, "activation codes are split by attention head"};
  }
  return {codes, ""};
}

Result<ValueId> AddBits(Graph& graph, const std::string& name,
                        const BipolarMatrix& matrix, int64_t n, int64_t k) {
  runtime::CodeType code;
  code.encoding = runtime::Encoding::kBipolar;
  code.bits = 1;
  const TensorType type{runtime::DType::kCode, {n, k}, code};
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                     runtime::AlignedBuffer::Make(runtime::ByteSize(type)));
  const auto row_bytes = static_cast<size_t>((k + 7) / 8);
  for (size_t j = 0; j < static_cast<size_t>(n); ++j) {
    for (size_t i = 0; i < static_cast<size_t>(k); ++i) {
      if (!matrix.positive[j * static_cast<size_t>(k) + i]) continue;
      buffer.data()[j * row_bytes + i / 8] |=
          static_cast<uint8_t>(1u << (i % 8));
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

// A product by a factor rounds once more than a scale does, so the factor can
// become the scale only if the weights themselves are +-1.
bool TakesFactor(const BipolarMatrix& matrix) {
  return std::all_of(matrix.scales.begin(), matrix.scales.end(),
                     [](float s) { return s == 1.0f; });
}

class Recogniser {
 public:
  Recogniser(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  Result<void> Visit(const LinearChain& chain) {
    LayerRecord record;
    record.name = graph_.node(chain.matmul).name;
    record.op = "MatMul";
    record.weight_shape = {chain.n, chain.k};
    const auto n = static_cast<size_t>(chain.n);
    const auto k = static_cast<size_t>(chain.k);
    const BipolarMatrix matrix =
        ClassifyBipolar(graph_.F32(chain.weight), k, n);
    const Codes codes = CodesOf(graph_, chain.input);
    record.weights = "f32";
    if (matrix.reason.empty()) {
      record.weights =
          matrix.max_ulp == 0
              ? "1 bit +-s, exact"
              : fmt::format("1 bit +-s, {:.2g} ulp", matrix.max_ulp);
    }
    record.activations = codes.reason.empty() ? kSignCodes : "f32";
    record.reason = codes.reason.empty() ? matrix.reason : codes.reason;
    if (record.reason.empty() && chain.k > kMaxK) {
      record.reason = fmt::format("more than {} inputs a channel", kMaxK);
    }
    if (record.reason.empty()) {
      record.pattern = "sign in front, rows of +-s";
      BITTERN_TRY(Replace(chain, codes.id, matrix));
    }
    context_.layers.push_back(std::move(record));
    return {};
  }

 private:
  Result<void> Replace(const LinearChain& chain, ValueId codes,
                       const BipolarMatrix& matrix) {
    const std::string name = graph_.node(chain.matmul).name;
    const std::string weight = graph_.value(chain.weight).name;
    std::vector<float> scales = matrix.scales;
    NodeId last = chain.matmul;
    const auto user_of = [this](NodeId node) {
      return *OnlyUser(graph_, graph_.node(node).outputs[0]);
    };
    const bool with_factor = chain.factor != kNone && TakesFactor(matrix);
    if (with_factor) {
      scales = PerChannel(graph_, chain.factor, chain.n);
      last = user_of(last);
    }
    BITTERN_TRY_ASSIGN(const ValueId bits, AddBits(graph_, weight + ".bits",
                                                   matrix, chain.n, chain.k));
    std::vector<ValueId> inputs = {
        codes, bits, AddVector(graph_, weight + ".scale", scales)};
    // A factor that stays a node stands between the product and the offset.
    if (chain.offset != kNone && (chain.factor == kNone || with_factor)) {
      inputs.push_back(AddVector(graph_, weight + ".bias",
                                 PerChannel(graph_, chain.offset, chain.n)));
      last = user_of(last);
    }
    graph_.node(last).name = name;
    return Rewrite(graph_, last, "LowBitLinear", inputs,
                   {{"epilogue", std::string("f32")}});
  }

  Graph& graph_;
  PassContext& context_;
};

// Convolutions have no low-bit kernel yet; the report says what was found.
LayerRecord RecordOfConv(const Graph& graph, const Node& node) {
  LayerRecord record;
  record.name = node.name;
  record.op = "Conv";
  record.weights = record.activations = "f32";
  const std::optional<Shape> shape = StaticShape(graph, node.inputs[1]);
  record.reason = "float activations: no sign in front";
  if (ProducerIf(graph, node.inputs[0], "Dequantize") != nullptr) {
    record.activations = kSignCodes;
    record.reason = "this version has no 1-bit convolution";
  }
  if (!shape || shape->rank() == 0) return record;
  const int64_t n = (*shape)[0];
  record.weight_shape = {n, n == 0 ? 0 : shape->Elements() / n};
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
  return {};
}

}  // namespace bittern::convert
