// Attention of binary queries, keys, values and probabilities becomes one
// BinaryAttention. Both spellings are read: levels scaled before the products
// (the raw export) and integer levels with a factor per head behind the
// products (the collapsed form):
//   q k^T [* factor] -> Softmax -> Div a -> Add z -> Clip -> Sign -> Sub z [*
//   a]
//   -> times v [* factor] -> Transpose (0,2,1,3) -> Reshape [B,N,H*d]
// What misses a condition is left to recognise_code_attention, which has the
// same products with codes as bytes, and biases and masks.
#include <fmt/format.h>

#include <utility>

#include "converter/passes/affine_sign.h"
#include "converter/passes/attention_probabilities.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

using PerHead = std::vector<float>;

// Codes [B,N,H*d] behind an operand of a product, and what they stand for:
// level = (code - z) * a, times `factor` on the way.
struct Operand {
  ValueId codes = kNone;
  PerHead a, z;
  float factor = 1.0f;
};

struct Match {
  NodeId scores = kNone, product = kNone;  // the two MatMuls
  NodeId last = kNone;                     // the Reshape that merges the heads
  Operand q, k, v;
  PerHead score_factor, ap, zp, level_a, out_factor;
  int64_t heads = 0;
};

PerHead Ones(int64_t heads) {
  return PerHead(static_cast<size_t>(heads), 1.0f);
}

// Follows `id` upwards through Transpose, Reshape and scalar factors to codes.
// `perm` is what the Transposes must do to [B,N,H,d].
std::optional<Operand> TraceOperand(const Graph& graph, ValueId id,
                                    const std::vector<int64_t>& perm) {
  Operand operand;
  bool transposed = false, reshaped = false;
  const std::optional<Shape> shape = StaticShape(graph, id);
  if (!shape || shape->rank() != 4) return std::nullopt;
  constexpr int kMaxSteps = 16;
  for (int step = 0; step < kMaxSteps; ++step) {
    const Node* node = graph.Producer(id);
    if (node == nullptr) return std::nullopt;
    if (node->op == "Mul" && ConstantOperand(graph, *node) != kNone) {
      const ValueId constant = ConstantOperand(graph, *node);
      const std::optional<float> scalar = ScalarOf(graph, constant);
      if (!scalar) return std::nullopt;
      operand.factor *= *scalar;
      id = OtherInput(*node, constant);
    } else if (node->op == "Transpose" && !transposed &&
               IntsOf(*node, "perm") == perm) {
      transposed = true;
      id = node->inputs[0];
    } else if (node->op == "Reshape" && transposed && !reshaped) {
      reshaped = true;
      id = node->inputs[0];
    } else if (node->op == "Dequantize" && reshaped &&
               graph.value(node->inputs[0]).type->code.encoding ==
                   runtime::Encoding::kSign) {
      operand.codes = node->inputs[0];
      if (node->inputs.size() > 2) {
        operand.a = graph.F32(node->inputs[1]);
        operand.z = graph.F32(node->inputs[2]);
      }
      return operand;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// Whether the codes are [B,N,heads*d] in groups of d; fills absent levels.
bool FitHeads(const Graph& graph, int64_t heads, int64_t head_dim,
              Operand& operand) {
  const TensorType& type = *graph.value(operand.codes).type;
  const int64_t group =
      type.code.group == 0 ? type.shape.Last() : type.code.group;
  if (group != head_dim || type.shape.rank() != 3 ||
      type.shape.Last() != heads * head_dim) {
    return false;
  }
  if (operand.a.empty()) {
    operand.a = Ones(heads);
    operand.z = PerHead(static_cast<size_t>(heads), 0.0f);
  }
  return operand.a.size() == static_cast<size_t>(heads);
}

// The factor per head with which the only user of `id`, a Mul or Div by
// constants, changes it; `id` moves to the result.
std::optional<PerHead> TakeFactorBelow(const Graph& graph, int64_t heads,
                                       ValueId& id) {
  const std::optional<NodeId> user = OnlyUserIf(graph, id, "Mul");
  if (!user) return Ones(heads);
  const ValueId constant = ConstantOperand(graph, graph.node(*user));
  if (constant == kNone) return std::nullopt;
  auto factor = AlongAxis(graph, constant, *StaticShape(graph, id), 1);
  id = graph.node(*user).outputs[0];
  return factor;
}

// The same, upwards from the softmax.
std::optional<PerHead> TakeFactorAbove(const Graph& graph, int64_t heads,
                                       ValueId& id) {
  const Node* node = graph.Producer(id);
  if (node == nullptr || (node->op != "Mul" && node->op != "Div")) {
    return Ones(heads);
  }
  const ValueId constant = ConstantOperand(graph, *node);
  if (constant == kNone) return std::nullopt;
  if (node->op == "Div" && constant != node->inputs[1]) return std::nullopt;
  auto factor = AlongAxis(graph, constant, *StaticShape(graph, id), 1);
  if (factor && node->op == "Div") {
    for (float& f : *factor) f = 1.0f / f;
  }
  id = OtherInput(*node, constant);
  return factor;
}

class Recogniser {
 public:
  Recogniser(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  Result<void> Visit(NodeId softmax) {
    Match match;
    std::string reason = FindProducts(softmax, match);
    if (match.scores == kNone || match.product == kNone) return {};
    if (reason.empty()) reason = FitOperands(softmax, match);
    if (reason.empty()) reason = FindMerge(match);
    if (reason.empty()) reason = CheckZeroPoints(match);
    if (!reason.empty()) return {};
    Record(match);
    return Replace(match);
  }

 private:
  // The two products around a softmax of [B,H,N,N]; what stands between.
  std::string FindProducts(NodeId softmax, Match& match) {
    const ValueId probs = graph_.node(softmax).outputs[0];
    const std::optional<Shape> shape = StaticShape(graph_, probs);
    if (!shape || shape->rank() != 4) return "";
    match.heads = (*shape)[1];
    ValueId scores = graph_.node(softmax).inputs[0];
    const auto factor = TakeFactorAbove(graph_, match.heads, scores);
    if (ProducerIf(graph_, scores, "MatMul") == nullptr) return "";
    match.scores = graph_.ProducerId(scores);
    // Without a quantiser the second product reads the softmax directly.
    if (const auto direct = OnlyUserIf(graph_, probs, "MatMul")) {
      match.product = *direct;
      return "the attention probabilities are not quantised";
    }
    const std::optional<NodeId> sign = SignBelow(graph_, probs);
    if (!sign) return "";
    const AffineSign quantiser = MatchAffineSign(graph_, *sign);
    const auto product =
        OnlyUserIf(graph_, graph_.node(quantiser.last).outputs[0], "MatMul");
    if (!product) return "";
    match.product = *product;
    if (!factor) return "the scores have a factor that is not one per head";
    match.score_factor = *factor;
    return TakeQuantiser(quantiser, *shape, match);
  }

  std::string TakeQuantiser(const AffineSign& quantiser, const Shape& shape,
                            Match& match) {
    const auto along = [&](ValueId id, float fallback) {
      if (id == kNone) {
        return std::optional(
            PerHead(static_cast<size_t>(match.heads), fallback));
      }
      return AlongAxis(graph_, id, shape, 1);
    };
    const auto a = along(quantiser.a, 1.0f);
    const auto z = along(quantiser.z, 0.0f);
    const auto level_a = along(quantiser.level_a, 1.0f);
    const auto level_z = along(quantiser.level_z, 0.0f);
    if (!a || !z || !level_a || !level_z) {
      return "the probabilities' scale or zero point is not one per head";
    }
    if (*z != *level_z) return "the probabilities have two zero points";
    match.ap = *a;
    match.zp = *z;
    match.level_a = *level_a;
    return "";
  }

  std::string FitOperands(NodeId, Match& match) {
    const Node& scores = graph_.node(match.scores);
    const Node& product = graph_.node(match.product);
    if (ProducerIf(graph_, product.inputs[1], "MatMul") != nullptr) {
      return "values are not codes";
    }
    const auto q = TraceOperand(graph_, scores.inputs[0], {0, 2, 1, 3});
    const auto k = TraceOperand(graph_, scores.inputs[1], {0, 2, 3, 1});
    const auto v = TraceOperand(graph_, product.inputs[1], {0, 2, 1, 3});
    if (!q) return "the queries are not codes of one bit per head";
    if (!k) return "the keys are not codes of one bit per head";
    if (!v) return "the values are not codes of one bit per head";
    match.q = *q;
    match.k = *k;
    match.v = *v;
    const int64_t d = StaticShape(graph_, scores.inputs[0])->Last();
    if (!FitHeads(graph_, match.heads, d, match.q) ||
        !FitHeads(graph_, match.heads, d, match.k) ||
        !FitHeads(graph_, match.heads, d, match.v)) {
      return "queries, keys and values differ in heads or head size";
    }
    return "";
  }

  std::string FindMerge(Match& match) {
    ValueId out = graph_.node(match.product).outputs[0];
    const auto factor = TakeFactorBelow(graph_, match.heads, out);
    if (!factor) return "the result has a factor that is not one per head";
    match.out_factor = *factor;
    const auto transpose = OnlyUserIf(graph_, out, "Transpose");
    if (!transpose || IntsOf(graph_.node(*transpose), "perm") !=
                          std::vector<int64_t>{0, 2, 1, 3}) {
      return "the heads are not merged by Transpose and Reshape";
    }
    const auto reshape =
        OnlyUserIf(graph_, graph_.node(*transpose).outputs[0], "Reshape");
    const TensorType& codes = *graph_.value(match.q.codes).type;
    if (!reshape ||
        StaticShape(graph_, graph_.node(*reshape).outputs[0]) != codes.shape) {
      return "the heads are not merged by Transpose and Reshape";
    }
    match.last = *reshape;
    return "";
  }

  static std::string CheckZeroPoints(const Match& match) {
    for (const PerHead* zero_points :
         {&match.q.z, &match.k.z, &match.v.z, &match.zp}) {
      for (float z : *zero_points) {
        if (!SnapToInteger(z)) {
          return fmt::format("a zero point is {}, expected an integer", z);
        }
      }
    }
    for (float a : match.ap) {
      if (a == 0.0f) return "a scale of the probabilities is 0";
    }
    return "";
  }

  void Record(const Match& match) {
    constexpr const char* kCodes = "1 bit per head";
    const auto add = [&](NodeId node, const char* op) {
      LayerRecord record;
      record.name = graph_.node(node).name;
      record.op = op;
      record.weights = record.activations = kCodes;
      record.pattern = "affine signs around softmax";
      context_.layers.push_back(std::move(record));
    };
    add(match.scores, "Attention q*k");
    add(match.product, "Attention p*v");
  }

  Result<void> Replace(const Match& match) {
    const std::string scores = graph_.node(match.scores).name;
    const std::string product = graph_.node(match.product).name;
    const auto heads = static_cast<size_t>(match.heads);
    PerHead score_scale(heads), out_scale(heads);
    const float operand_factor = match.q.factor * match.k.factor;
    for (size_t h = 0; h < heads; ++h) {
      float scale = match.q.a[h] * match.k.a[h];
      scale *= operand_factor;
      score_scale[h] = scale * match.score_factor[h];
      scale = match.level_a[h] * match.v.a[h];
      scale *= match.v.factor;
      out_scale[h] = scale * match.out_factor[h];
      WarnIfConstant(match, h, product);
    }
    std::vector<ValueId> inputs = {match.q.codes, match.k.codes, match.v.codes};
    inputs.push_back(AddVector(graph_, scores + ".scale", score_scale));
    const std::pair<const char*, const PerHead*> zero_points[] = {
        {".zq", &match.q.z},
        {".zk", &match.k.z},
        {".zp", &match.zp},
        {".zv", &match.v.z}};
    for (const auto& [name, values] : zero_points) {
      std::vector<int32_t> integers;
      for (float z : *values) integers.push_back(*SnapToInteger(z));
      BITTERN_TRY_ASSIGN(const ValueId id,
                         AddI32(graph_, scores + name, integers));
      inputs.push_back(id);
    }
    inputs.push_back(
        AddVector(graph_, product + ".probability_scale", match.ap));
    inputs.push_back(AddVector(graph_, product + ".scale", out_scale));
    graph_.node(match.last).name = scores + " + " + product;
    return Rewrite(graph_, match.last, "BinaryAttention", inputs,
                   {{"heads", match.heads}, {"output", std::string("f32")}});
  }

  // p > 0 always, so a zero point of 0 or more maps every probability to +1.
  void WarnIfConstant(const Match& match, size_t h, const std::string& name) {
    const bool constant =
        match.ap[h] > 0 ? match.zp[h] >= 0.0f : match.zp[h] <= 0.0f;
    if (!constant) return;
    graph_.notes.push_back(fmt::format(
        "warning: {}, head {}: zero point {} sends all probabilities to one "
        "code",
        name, h, match.zp[h]));
  }

  Graph& graph_;
  PassContext& context_;
};

}  // namespace

Result<void> RecogniseAttention(Graph& graph, PassContext& context) {
  Recogniser recogniser(graph, context);
  return ForEachNode(graph, "Softmax",
                     [&](NodeId id) { return recogniser.Visit(id); });
}

}  // namespace bittern::convert
