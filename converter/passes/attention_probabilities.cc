// A sign of a probability is the rounding of it, scaled by a power of two: with
// an integer zero point z the sums fl(p / a) + z near 0 are multiples of half
// an ulp of z, which the power makes a 1.
#include "converter/passes/attention_probabilities.h"

#include <fmt/format.h>

#include <cmath>

#include "converter/passes/attention_terms.h"

namespace bittern::convert {
namespace {

// Without a zero point p > 0 is what counts; less than 2^-65 a counts as 0.
constexpr int kFreeShift = 64;
constexpr float kMinSignScale = 0x1p-60f, kMaxSignScale = 0x1p60f;
// Sums of terms of 2^-60 or more end at 2^-84 or at 0.
constexpr float kPositiveScale = 0x1p-100f;

// The exponent e for which z * 2^e and all sums near 0 are integers.
int SignShift(int32_t zero) {
  if (zero == 0) return kFreeShift;
  return 24 - std::ilogb(static_cast<float>(zero));
}

class Reader {
 public:
  Reader(const Graph& graph, int64_t heads) : graph_(graph), heads_(heads) {}

  Probabilities Read(NodeId softmax) {
    ValueId id = graph_.node(softmax).outputs[0];
    const std::optional<NodeId> user = ReaderOfRows(graph_, id);
    if (!user) return found_;
    const std::string& op = graph_.node(*user).op;
    if (graph_.node(softmax).op == "Relu") {
      ReadPositive(*user);
    } else if (op == "Quantize") {
      ReadCodes(*user, id);
    } else if (op != "MatMul") {
      ReadSign(id);
    } else {
      TakeProduct(id);
    }
    return found_;
  }

 private:
  void TakeProduct(ValueId id) {
    const std::optional<NodeId> user = ReaderOfRows(graph_, id);
    if (!user || graph_.node(*user).op != "MatMul") return;
    found_.product = *user;
    if (graph_.node(*user).inputs[0] != id) {
      found_.reason = "the values stand in front of the probabilities";
    }
  }

  // Input `i` of `node` by head, on the codes' shape.
  std::optional<std::vector<float>> ByHead(const Node& node, size_t i,
                                           float fallback) const {
    if (i >= node.inputs.size() || node.inputs[i] == kNone) {
      return std::vector<float>(static_cast<size_t>(heads_), fallback);
    }
    return FactorByHead(graph_, node.inputs[i], shape_, heads_);
  }

  void ReadPositive(NodeId binarize) {
    const Node& node = graph_.node(binarize);
    if (node.op != "Binarize" || node.inputs.size() != 1) return;
    const auto user = OnlyUserIf(graph_, node.outputs[0], "Dequantize");
    if (!user || graph_.node(*user).inputs.size() != 1) return;
    TakeProduct(graph_.node(*user).outputs[0]);
    const auto heads = static_cast<size_t>(heads_);
    found_.coded = true;
    found_.hi = 1;
    found_.scale.assign(heads, kPositiveScale);
    found_.zero.assign(heads, 0.0f);
    found_.level_scale.assign(heads, 1.0f);
    found_.level_zero.assign(heads, 0);
    found_.text = "1 bit {0,1}";
  }

  void ReadCodes(NodeId quantise, ValueId id) {
    const Node& node = graph_.node(quantise);
    const auto user = OnlyUserIf(graph_, node.outputs[0], "Dequantize");
    if (!user) return;
    const Node& dequantise = graph_.node(*user);
    TakeProduct(dequantise.outputs[0]);
    shape_ = *StaticShape(graph_, id);
    if (found_.product == kNone || heads_ == 0 || !found_.reason.empty()) {
      return;
    }
    const std::string source = StringOf(node, "source");
    if (node.inputs[0] != id || IntOf(node, "bipolar2", 0) != 0 ||
        (!source.empty() && source != "plain")) {
      found_.reason = "the probabilities' quantiser does more than that";
      return;
    }
    const auto scale = ByHead(node, 1, 1), zero = ByHead(node, 2, 0);
    const auto level = ByHead(dequantise, 1, 1),
               level_zero = ByHead(dequantise, 2, 0);
    if (!scale || !zero || !level || !level_zero) {
      found_.reason =
          "the probabilities' scale or zero point is not one per head";
      return;
    }
    found_.coded = true;
    found_.scale = *scale;
    found_.zero = *zero;
    found_.level_scale = *level;
    SetLevelZero(*level_zero);
    found_.lo = IntOf(node, "lo", 0);
    found_.hi = IntOf(node, "hi", 0);
    found_.multiply = IntOf(node, "multiply", 0) != 0;
    found_.zero_after = IntOf(node, "zero_after", 0) != 0;
    const auto& code = graph_.value(node.outputs[0]).type->code;
    const bool is_unsigned = code.encoding == runtime::Encoding::kUnsignedBytes;
    found_.text = fmt::format("{} bit {} per head", code.bits,
                              is_unsigned ? "unsigned" : "signed");
  }

  void SetLevelZero(const std::vector<float>& values) {
    for (size_t h = 0; h < values.size(); ++h) {
      const std::optional<int32_t> integer = SnapToInteger(values[h]);
      if (!integer) {
        found_.reason = fmt::format(
            "a zero point of the probabilities is {}, expected an integer",
            values[h]);
        return;
      }
      found_.level_zero.push_back(*integer);
      found_.own_level_zero = found_.own_level_zero ||
                              found_.zero[h] != static_cast<float>(*integer);
    }
  }

  void ReadSign(ValueId id) {
    const std::optional<NodeId> sign = SignBelow(graph_, id);
    if (!sign) return;
    const AffineSign match = MatchAffineSign(graph_, *sign);
    TakeProduct(graph_.node(match.last).outputs[0]);
    if (found_.product == kNone || heads_ == 0 || !found_.reason.empty()) {
      return;
    }
    shape_ = *StaticShape(graph_, id);
    const auto along = [&](ValueId constant, float fallback) {
      if (constant != kNone) {
        return FactorByHead(graph_, constant, shape_, heads_);
      }
      return std::optional(
          std::vector<float>(static_cast<size_t>(heads_), fallback));
    };
    const auto a = along(match.a, 1), z = along(match.z, 0);
    const auto level = along(match.level_a, 1),
               level_z = along(match.level_z, 0);
    if (!a || !z || !level || !level_z) {
      found_.reason =
          "the probabilities' scale or zero point is not one per head";
      return;
    }
    found_.coded = true;
    found_.lo = -1;
    found_.hi = 1;
    found_.text = "1 bit per head";
    found_.level_scale = *level;
    MakeSignRound(*a, *z);
    if (found_.reason.empty()) SetLevelZero(*level_z);
  }

  void MakeSignRound(const std::vector<float>& a, const std::vector<float>& z) {
    for (size_t h = 0; h < a.size(); ++h) {
      const std::optional<int32_t> zero = SnapToInteger(z[h]);
      if (!zero) {
        found_.reason = fmt::format(
            "a zero point of the probabilities is {}, expected an integer",
            z[h]);
        return;
      }
      const float size = std::fabs(a[h]);
      if (!(size >= kMinSignScale && size <= kMaxSignScale)) {
        found_.reason = fmt::format("a scale of the probabilities is {}", a[h]);
        return;
      }
      const int shift = SignShift(*zero);
      found_.scale.push_back(std::ldexp(a[h], -shift));
      found_.zero.push_back(std::ldexp(static_cast<float>(*zero), shift));
    }
  }

  const Graph& graph_;
  int64_t heads_;
  Shape shape_;
  Probabilities found_;
};

}  // namespace

Probabilities ReadProbabilities(const Graph& graph, NodeId softmax,
                                int64_t heads) {
  return Reader(graph, heads).Read(softmax);
}

std::optional<NodeId> SignBelow(const Graph& graph, ValueId id) {
  constexpr int kMaxSteps = 4;  // Div, Add, Clip, Sign
  for (int step = 0; step < kMaxSteps; ++step) {
    const std::optional<NodeId> user = OnlyUser(graph, id);
    if (!user) return std::nullopt;
    const Node& node = graph.node(*user);
    if (node.op == "Sign") return user;
    if (node.op != "Div" && node.op != "Add" && node.op != "Clip") {
      return std::nullopt;
    }
    id = node.outputs[0];
  }
  return std::nullopt;
}

}  // namespace bittern::convert
