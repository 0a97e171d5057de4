// Attention on codes becomes one CodeAttention:
//   q k^T [* factors] [+ bias] [+ mask] -> Softmax [-> quantiser per head] ->
//   times v [* factor] [-> merge of the heads [-> quantiser of the projection]]
// or with Relu -> Sign, that is score > 0, in place of the softmax (BiBERT),
// with q, k and v codes of 1 to 8 bits behind any moves and scalars. Products
// of factors are rounded in this order (f: of the scalars next to a product, in
// the order from the product up):
//   score_scale = fl(fl(fl(a_q * a_k) * fl(f_q * f_k)) * f_scores)
//   out_scale   = fl(fl(fl(a_p * a_v) * f_v) * f_out)
// What misses a condition stays float, with the reason in both records.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "converter/passes/attention_operand.h"
#include "converter/passes/attention_probabilities.h"
#include "converter/passes/attention_terms.h"
#include "converter/passes/code_attention.h"
#include "converter/passes/index_map.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

constexpr int64_t kMaxSum = std::numeric_limits<int32_t>::max();

struct Match {
  NodeId softmax = kNone;  // or the Relu
  ScoreChain chain;
  ScoreTerms terms;
  Probabilities probs;
  AttentionOperand q, k, v;
  std::vector<float> out_factor;
  // The node that makes the result, and whether its heads are merged.
  NodeId last = kNone;
  bool merged = false;
  NodeId quantise = kNone;  // reads nothing but that
};

class Recogniser {
 public:
  Recogniser(Graph& graph, PassContext& context)
      : graph_(graph), context_(context) {}

  Result<void> Visit(NodeId softmax) {
    Match match;
    match.softmax = softmax;
    match.chain = FollowScores(graph_, graph_.node(softmax).inputs[0]);
    match.probs = ReadProbabilities(graph_, softmax, 0);
    if (match.chain.product == kNone || match.probs.product == kNone) return {};
    BITTERN_TRY_ASSIGN(std::string reason, Fit(match));
    Record(match, reason);
    if (!reason.empty()) return {};
    return Replace(match);
  }

 private:
  Result<std::string> Fit(Match& match) {
    if (!match.probs.reason.empty()) return match.probs.reason;
    if (!StaticShape(graph_, graph_.node(match.softmax).outputs[0])) {
      return std::string("the shape of the scores is not known");
    }
    BITTERN_TRY_ASSIGN(std::string reason, FitOperands(match));
    if (!reason.empty()) return reason;
    match.terms = ReadTerms(graph_, match.chain, match.q.heads);
    if (!match.terms.reason.empty()) return match.terms.reason;
    match.probs = ReadProbabilities(graph_, match.softmax, match.q.heads);
    if (!match.probs.reason.empty()) return match.probs.reason;
    reason = CheckSums(match);
    if (reason.empty() && !HasSoftmax(match)) reason = CheckPositive(match);
    if (!reason.empty()) return reason;
    return FindResult(match);
  }

  Result<std::string> FitOperands(Match& match) {
    const Node& scores = graph_.node(match.chain.product);
    const Node& product = graph_.node(match.probs.product);
    struct Part {
      const char* name;
      AttentionOperand* operand;
      OperandView view;
    };
    std::array parts = {
        Part{"queries", &match.q, {scores.inputs[0], false, 0}},
        Part{"keys", &match.k, {scores.inputs[1], true, 0}},
        Part{"values", &match.v, {product.inputs[1], false, 0}}};
    // The heads of constant queries are those of the keys.
    if (graph_.IsConstant(parts[0].view.id)) {
      std::rotate(parts.begin(), parts.begin() + 1, parts.end());
    }
    int64_t heads = 0;
    for (Part& part : parts) {
      part.view.heads = heads;
      std::string reason;
      BITTERN_TRY_ASSIGN(auto operand,
                         TraceOperand(graph_, part.view, &reason));
      if (!operand) return fmt::format("the {} {}", part.name, reason);
      heads = operand->heads;
      *part.operand = std::move(*operand);
    }
    const AttentionOperand &q = match.q, &k = match.k, &v = match.v;
    if (k.heads != q.heads || v.heads != q.heads || k.batch != q.batch ||
        v.batch != q.batch || k.head_dim != q.head_dim ||
        v.head_dim != q.head_dim || v.tokens != k.tokens) {
      return std::string(
          "queries, keys and values differ in heads, head size or batch");
    }
    return std::string();
  }

  bool HasSoftmax(const Match& match) const {
    return graph_.node(match.softmax).op == "Softmax";
  }

  // Scores near 0 must be 0 or far enough from it.
  static std::string CheckPositive(const Match& match) {
    const auto near_zero = [](float v) {
      return v != 0 && !(std::fabs(v) >= kMinPositiveTerm);
    };
    bool tiny = false;
    for (float scale : ScoreScale(match)) tiny = tiny || near_zero(scale);
    if (match.terms.run_time_bias != kNone) return "a term is made at run time";
    for (const auto* terms : {&match.terms.bias, &match.terms.mask}) {
      tiny = tiny || std::any_of(terms->begin(), terms->end(), near_zero);
    }
    return tiny ? "a scale or a term of the scores is next to 0" : "";
  }

  // What the sums of codes are multiplied by, for each head.
  static std::vector<float> ScoreScale(const Match& match) {
    std::vector<float> scales(match.q.scale.size());
    const float operand_factor = match.q.factor * match.k.factor;
    for (size_t h = 0; h < scales.size(); ++h) {
      float scale = match.q.scale[h] * match.k.scale[h];
      scale *= operand_factor;
      scales[h] = scale * match.terms.factor[h];
    }
    return scales;
  }

  // The bound of the runtime's op: sums of products fit 32 bits.
  static std::string CheckSums(const Match& match) {
    const auto fits = [](int64_t x, int64_t y, int64_t terms) {
      const int64_t limit = kMaxSum / terms;
      const int64_t most_x = 383 + std::abs(x), most_y = 383 + std::abs(y);
      return most_x <= limit && most_y <= limit / most_x;
    };
    const int64_t keys = match.probs.coded ? match.k.tokens : 1;
    for (size_t h = 0; h < match.q.zero.size(); ++h) {
      const int64_t zp = match.probs.coded ? match.probs.level_zero[h] : 0;
      if (!fits(match.q.zero[h], match.k.zero[h], match.q.head_dim) ||
          !fits(zp, match.v.zero[h], keys)) {
        return "sums of codes need more than 32 bits";
      }
    }
    return "";
  }

  // The factor behind the product with the values, and how far the result is
  // followed to the merge of the heads.
  Result<std::string> FindResult(Match& match) {
    match.last = match.probs.product;
    ValueId out = graph_.node(match.last).outputs[0];
    match.out_factor.assign(match.q.scale.size(), 1.0f);
    const std::optional<NodeId> user = OnlyUserIf(graph_, out, "Mul");
    const ValueId constant =
        user ? ConstantOperand(graph_, graph_.node(*user)) : kNone;
    const std::optional<Shape> shape = StaticShape(graph_, out);
    if (constant != kNone &&
        StaticShape(graph_, graph_.node(*user).outputs[0]) == shape) {
      const auto factor = FactorByHead(graph_, constant, *shape, match.q.heads);
      if (!factor) {
        return std::string("the result has a factor that is not one per head");
      }
      match.out_factor = *factor;
      match.last = *user;
      out = graph_.node(*user).outputs[0];
    }
    BITTERN_TRY(FollowMerge(out, match));
    return std::string();
  }

  Result<void> FollowMerge(ValueId out, Match& match) {
    constexpr int kMaxMoves = 6;
    IndexMap moves(graph_);
    ValueId at = out;
    for (int i = 0; i < kMaxMoves; ++i) {
      const std::optional<NodeId> user = OnlyUser(graph_, at);
      if (!user || graph_.node(*user).outputs.size() != 1) break;
      at = graph_.node(*user).outputs[0];
      if (moves.SourceOf(at) != out) break;
      BITTERN_TRY_ASSIGN(const auto map, moves.From(out, at));
      if (!IsMerge(map, match.q)) continue;
      match.last = *user;
      match.merged = true;
    }
    if (match.merged) match.quantise = QuantiserOf(match);
    return {};
  }

  // Whether the map from [B,H,T,d] gives [B,T,H,d], in whatever shape.
  static bool IsMerge(const std::vector<int32_t>& map,
                      const AttentionOperand& q) {
    size_t i = 0;
    for (int64_t b = 0; b < q.batch; ++b) {
      for (int64_t t = 0; t < q.tokens; ++t) {
        for (int64_t h = 0; h < q.heads; ++h) {
          const int64_t first = ((b * q.heads + h) * q.tokens + t) * q.head_dim;
          for (int64_t c = 0; c < q.head_dim; ++c, ++i) {
            if (i >= map.size() || map[i] != first + c) return false;
          }
        }
      }
    }
    return i == map.size();
  }

  // The quantiser that can be the end of the attention.
  NodeId QuantiserOf(const Match& match) const {
    const ValueId result = graph_.node(match.last).outputs[0];
    const auto user = OnlyUserIf(graph_, result, "Quantize");
    if (!user) return kNone;
    const Node& node = graph_.node(*user);
    const std::string source = StringOf(node, "source");
    const std::string per = StringOf(node, "per");
    if (node.inputs[0] != result || IntOf(node, "bipolar2", 0) != 0 ||
        (!source.empty() && source != "plain") ||
        (per != "tensor" && per != "column") ||
        !graph_.IsConstant(node.inputs[1]) ||
        (node.inputs.size() > 2 && !graph_.IsConstant(node.inputs[2])) ||
        StaticShape(graph_, result)->Last() !=
            match.q.heads * match.q.head_dim) {
      return kNone;
    }
    return *user;
  }

  void Record(const Match& match, const std::string& reason) {
    const auto add = [&](NodeId node, const char* op, const std::string& left,
                         const std::string& right) {
      LayerRecord record;
      record.name = graph_.node(node).name;
      record.op = op;
      record.weights = reason.empty() ? right : "f32";
      record.activations = reason.empty() ? left : "f32";
      record.pattern = !reason.empty()     ? ""
                       : HasSoftmax(match) ? "codes around softmax"
                                           : "codes around score > 0";
      record.reason = reason;
      context_.layers.push_back(std::move(record));
    };
    add(match.chain.product, "Attention q*k", match.q.text, match.k.text);
    add(match.probs.product, "Attention p*v", match.probs.text, match.v.text);
  }

  Result<void> Replace(const Match& match) {
    const std::string scores = graph_.node(match.chain.product).name;
    const std::string product = graph_.node(match.probs.product).name;
    BITTERN_TRY_ASSIGN(std::vector<ValueId> inputs,
                       MakeInputs(match, scores, product));
    AttributeMap attributes = {{"heads", match.q.heads},
                               {"output", std::string("f32")}};
    if (!HasSoftmax(match)) attributes["softmax"] = int64_t{0};
    if (match.probs.coded) {
      attributes["p_lo"] = match.probs.lo;
      attributes["p_hi"] = match.probs.hi;
      if (match.probs.multiply) attributes["p_multiply"] = int64_t{1};
      if (match.probs.zero_after) attributes["p_zero_after"] = int64_t{1};
    }
    NodeId last = match.last;
    if (match.quantise != kNone) {
      last = match.quantise;
      TakeQuantiser(graph_.node(last), inputs, attributes);
    }
    while (inputs.back() == kNone) inputs.pop_back();
    const Shape merged{match.q.batch, match.q.tokens,
                       match.q.heads * match.q.head_dim};
    const std::string name = scores + " + " + product;
    const ValueId result = graph_.node(last).outputs[0];
    if (match.merged && *StaticShape(graph_, result) == merged) {
      graph_.node(last).name = name;
      return Rewrite(graph_, last, "CodeAttention", inputs, attributes);
    }
    const Shape shape = *StaticShape(graph_, result);
    BITTERN_TRY_ASSIGN(ValueId y, Emit(graph_, "CodeAttention", name, inputs,
                                       attributes, product + ".merged"));
    if (!match.merged) {
      BITTERN_TRY_ASSIGN(y, EmitReshape(graph_, name, y,
                                        {match.q.batch, match.q.tokens,
                                         match.q.heads, match.q.head_dim},
                                        product + ".heads"));
      BITTERN_TRY_ASSIGN(y, Emit(graph_, "Transpose", name, {y},
                                 {{"perm", std::vector<int64_t>{0, 2, 1, 3}}},
                                 product + ".split"));
    }
    return RewriteAsReshape(graph_, last, y, shape);
  }

  Result<std::vector<ValueId>> MakeInputs(const Match& match,
                                          const std::string& scores,
                                          const std::string& product) {
    const auto heads = static_cast<size_t>(match.q.heads);
    const Probabilities& probs = match.probs;
    std::vector<float> out_scale(heads);
    for (size_t h = 0; h < heads; ++h) {
      float scale = match.v.scale[h];
      if (probs.coded) scale = probs.level_scale[h] * scale;
      scale *= match.v.factor;
      out_scale[h] = scale * match.out_factor[h];
    }
    BITTERN_TRY_ASSIGN(const ValueId q,
                       EmitCodes(graph_, match.q, scores + ".q"));
    BITTERN_TRY_ASSIGN(const ValueId k,
                       EmitCodes(graph_, match.k, scores + ".k"));
    BITTERN_TRY_ASSIGN(const ValueId v,
                       EmitCodes(graph_, match.v, product + ".v"));
    std::vector<ValueId> inputs(kAttentionInputs, kNone);
    inputs[kAttentionQ] = q;
    inputs[kAttentionK] = k;
    inputs[kAttentionV] = v;
    inputs[kAttentionScoreScale] =
        AddVector(graph_, scores + ".scale", ScoreScale(match));
    BITTERN_TRY_ASSIGN(inputs[kAttentionZq],
                       AddI32(graph_, scores + ".zq", match.q.zero));
    BITTERN_TRY_ASSIGN(inputs[kAttentionZk],
                       AddI32(graph_, scores + ".zk", match.k.zero));
    BITTERN_TRY_ASSIGN(inputs[kAttentionZv],
                       AddI32(graph_, product + ".zv", match.v.zero));
    inputs[kAttentionOutScale] =
        AddVector(graph_, product + ".scale", out_scale);
    AddProbabilities(probs, product, inputs);
    BITTERN_TRY(AddTerms(match, scores, inputs));
    if (probs.coded && probs.own_level_zero) {
      BITTERN_TRY_ASSIGN(inputs[kAttentionZp],
                         AddI32(graph_, product + ".zp", probs.level_zero));
    }
    return inputs;
  }

  void AddProbabilities(const Probabilities& probs, const std::string& product,
                        std::vector<ValueId>& inputs) {
    if (!probs.coded) return;
    inputs[kAttentionPScale] =
        AddVector(graph_, product + ".probability_scale", probs.scale);
    const bool has_zero = std::any_of(probs.zero.begin(), probs.zero.end(),
                                      [](float z) { return z != 0; });
    if (!has_zero) return;
    inputs[kAttentionPZero] =
        AddVector(graph_, product + ".probability_zero", probs.zero);
  }

  Result<void> AddTerms(const Match& match, const std::string& scores,
                        std::vector<ValueId>& inputs) {
    const auto add = [&](const char* suffix, int64_t count,
                         const std::vector<float>& values) {
      return values.empty()
                 ? kNone
                 : graph_.AddF32(scores + suffix,
                                 {count, match.q.tokens, match.k.tokens},
                                 values);
    };
    inputs[kAttentionBias] = add(".bias", match.q.heads, match.terms.bias);
    inputs[kAttentionMask] = add(".mask", match.terms.masks, match.terms.mask);
    if (match.terms.run_time_bias == kNone) return {};
    BITTERN_TRY_ASSIGN(
        inputs[kAttentionBias],
        EmitReshape(graph_, scores, match.terms.run_time_bias,
                    {match.q.heads, match.q.tokens, match.k.tokens},
                    scores + ".bias"));
    return {};
  }

  // The quantiser `node` as the last inputs and attributes.
  static void TakeQuantiser(const Node& node, std::vector<ValueId>& inputs,
                            AttributeMap& attributes) {
    inputs[kAttentionA] = node.inputs[1];
    if (node.inputs.size() > 2) inputs[kAttentionZ] = node.inputs[2];
    attributes["output"] = std::string("bytes");
    for (const char* name : {"per", "lo", "hi", "multiply", "zero_after"}) {
      const auto found = node.attributes.find(name);
      if (found != node.attributes.end()) attributes[name] = found->second;
    }
  }

  Graph& graph_;
  PassContext& context_;
};

}  // namespace

Result<void> RecogniseCodeAttention(Graph& graph, PassContext& context) {
  Recogniser recogniser(graph, context);
  const size_t nodes = graph.nodes().size();
  for (size_t i = 0; i < nodes; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.node(id);
    if (node.removed || (node.op != "Softmax" && node.op != "Relu")) continue;
    BITTERN_TRY(recogniser.Visit(id));
  }
  return {};
}

}  // namespace bittern::convert
