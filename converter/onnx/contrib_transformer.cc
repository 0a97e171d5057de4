// Fused operators of com.microsoft (what onnxruntime's optimiser leaves in a
// file) as the operators they were made of.
#include <algorithm>
#include <cmath>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

// x / sqrt(mean(x^2) + epsilon) * scale, over the last dimension.
ValueId EmitRmsNorm(Formula& f, ValueId x, ValueId scale, float epsilon) {
  const int64_t last = static_cast<int64_t>(f.ShapeOf(x).rank()) - 1;
  const ValueId mean = f.Reduce("ReduceMean", f.Mul(x, x), {last}, true);
  return f.Mul(f.Div(x, f.Op("Sqrt", {f.Add(mean, f.F32(epsilon))})), scale);
}

// [B,T,H*d] as [B,H,T,d].
ValueId SplitHeads(Formula& f, ValueId x, int64_t heads) {
  const Shape shape = f.ShapeOf(x);
  if (f.failed()) return kNone;
  return f.Transpose(
      f.Reshape(x, {shape[0], shape[1], heads, shape[2] / heads}),
      {0, 2, 1, 3});
}

struct AttentionTerms {
  int64_t heads = 1;
  float scale = 0;       // 0: 1 / sqrt(head size)
  ValueId mask = kNone;  // keys that count: i32 [B,Tk], 1 or 0
  float masked = -10000;
  ValueId bias = kNone;  // added to the scores
  bool causal = false;
};

// softmax(q k^T * scale + terms) v of [B,T,H*d].
ValueId EmitAttention(Formula& f, ValueId q, ValueId k, ValueId v,
                      const AttentionTerms& terms) {
  q = SplitHeads(f, q, terms.heads);
  k = SplitHeads(f, k, terms.heads);
  v = SplitHeads(f, v, terms.heads);
  if (f.failed()) return kNone;
  const Shape queries = f.ShapeOf(q), keys = f.ShapeOf(k);
  const float scale = terms.scale != 0
                          ? terms.scale
                          : 1 / std::sqrt(static_cast<float>(queries[3]));
  ValueId scores =
      f.Mul(f.Op("MatMul", {q, f.Transpose(k, {0, 1, 3, 2})}), f.F32(scale));
  if (terms.bias != kNone) scores = f.Add(scores, terms.bias);
  if (terms.mask != kNone) {
    const ValueId seen =
        f.Reshape(f.Cast(terms.mask, DType::kF32), {queries[0], 1, 1, keys[2]});
    scores = f.Add(scores, f.Mul(f.Sub(f.F32(1), seen), f.F32(terms.masked)));
  }
  if (terms.causal) {
    const ValueId seen =
        f.Op("LessOrEqual", {f.Iota(keys[2], 1, 2), f.Iota(queries[2], 0, 2)});
    scores = f.Where(seen, scores, f.F32(terms.masked));
  }
  const ValueId y =
      f.Transpose(f.Op("MatMul", {f.Op("Softmax", {scores}), v}), {0, 2, 1, 3});
  if (f.failed()) return kNone;
  const Shape shape = f.ShapeOf(y);
  return f.Reshape(y, {shape[0], shape[1], shape[2] * shape[3]});
}

Result<AttentionTerms> ReadTerms(OnnxNode& node, size_t mask, size_t bias,
                                 int64_t keys) {
  AttentionTerms terms;
  BITTERN_TRY_ASSIGN(terms.heads, node.Int("num_heads", 0));
  BITTERN_TRY_ASSIGN(terms.scale, node.Float("scale", 0));
  BITTERN_TRY_ASSIGN(terms.masked, node.Float("mask_filter_value", -10000));
  BITTERN_TRY_ASSIGN(const int64_t causal, node.Int("unidirectional", 0));
  terms.causal = causal != 0;
  terms.mask = node.Input(mask);
  terms.bias = node.Input(bias);
  const int64_t batch = node.ShapeOf(node.Input(0))[0];
  if (terms.mask != kNone && node.ShapeOf(terms.mask) != Shape{batch, keys}) {
    return node.FailUnsupported("the mask is " +
                                runtime::ToString(node.TypeOf(terms.mask)) +
                                ", expected one value for each key, " +
                                runtime::ToString(Shape{batch, keys}));
  }
  return terms;
}

Error WrongHeads(OnnxNode& node, int64_t heads) {
  return node.Fail("num_heads is " + std::to_string(heads) +
                   ", expected a divisor of the hidden sizes");
}

Result<void> ExpectRank3(OnnxNode& node, size_t input) {
  const TensorType& type = node.TypeOf(node.Input(input));
  if (type.shape.rank() == 3) return {};
  return node.FailUnsupported("input " + std::to_string(input) + " is " +
                              runtime::ToString(type) +
                              ", expected [batch, tokens, hidden]");
}

}  // namespace

// x plus an optional bias, through the tanh form of GELU.
Result<void> ImportFastGelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  Formula f(node);
  ValueId x = node.Input(0);
  if (node.Input(1) != kNone) x = f.Add(x, node.Input(1));
  const ValueId cube = f.Mul(f.Mul(x, x), x);
  const ValueId inner =
      f.Mul(f.Add(x, f.Mul(cube, f.F32(0.044715f))), f.F32(0.79788456f));
  f.Answer(
      f.Mul(f.Mul(x, f.F32(0.5f)), f.Add(f.Op("Tanh", {inner}), f.F32(1))));
  return f.Done();
}

// SkipLayerNormalization (input, skip, gamma, beta?, bias?) and its simplified
// form (input, skip, gamma, bias?); output 3 is the sum.
Result<void> ImportSkipNorm(OnnxNode& node) {
  const bool simplified = node.op() == "SkipSimplifiedLayerNormalization";
  const size_t bias = simplified ? 3 : 4;
  BITTERN_TRY(node.ExpectInputs(3, bias + 1));
  BITTERN_TRY_ASSIGN(const float epsilon, node.Float("epsilon", 1e-12f));
  Formula f(node);
  ValueId x = f.Add(node.Input(0), node.Input(1));
  if (node.Input(bias) != kNone) x = f.Add(x, node.Input(bias));
  if (simplified) {
    f.Answer(EmitRmsNorm(f, x, node.Input(2), epsilon));
  } else {
    std::vector<ValueId> inputs = {x, node.Input(2)};
    if (node.Input(3) != kNone) inputs.push_back(node.Input(3));
    f.Answer(f.Op("LayerNorm", inputs, {{"epsilon", epsilon}}));
  }
  if (node.WantsOutput(3)) f.Answer(x, 3);
  return f.Done();
}

Result<void> ImportSimplifiedNorm(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  node.Ignore("stash_type");
  BITTERN_TRY_ASSIGN(const float epsilon, node.Float("epsilon", 1e-5f));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -1));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, rank, "axis"));
  if (axis + 1 != static_cast<int64_t>(rank)) {
    return node.FailUnsupported("axis is " + std::to_string(given) +
                                ", expected the last one");
  }
  Formula f(node);
  f.Answer(EmitRmsNorm(f, node.Input(0), node.Input(1), epsilon));
  return f.Done();
}

// input [B,T,C], weight [C,3H], bias [3H], mask?, past?, attention_bias?
Result<void> ImportContribAttention(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 6));
  BITTERN_TRY(ExpectRank3(node, 0));
  BITTERN_TRY_ASSIGN(const auto sizes, node.Ints("qkv_hidden_sizes"));
  BITTERN_TRY_ASSIGN(const AttentionTerms terms,
                     ReadTerms(node, 3, 5, node.ShapeOf(node.Input(0))[1]));
  const Shape weight = node.ShapeOf(node.Input(1));
  if (node.Input(4) != kNone) {
    return node.FailUnsupported("has past keys and values, expected none");
  }
  if (weight.rank() != 2) {
    return node.Fail("the weight is " + runtime::ToString(weight) +
                     ", expected a matrix");
  }
  std::vector<int64_t> widths(3, weight[1] / 3);
  if (sizes) widths = *sizes;
  const auto fits = [&weight](int64_t width) {
    return width >= 1 && width <= weight[1];
  };
  if (terms.heads < 1 || widths.size() != 3 ||
      !std::all_of(widths.begin(), widths.end(), fits) ||
      widths[0] + widths[1] + widths[2] != weight[1] || widths[0] < 1 ||
      widths[0] != widths[1] || widths[0] % terms.heads != 0 || widths[2] < 1 ||
      widths[2] % terms.heads != 0) {
    return WrongHeads(node, terms.heads);
  }
  Formula f(node);
  ValueId qkv = f.Op("MatMul", {node.Input(0), node.Input(1)});
  if (node.Input(2) != kNone) qkv = f.Add(qkv, node.Input(2));
  const int64_t keys = widths[0], values = widths[0] + widths[1];
  f.Answer(EmitAttention(f, f.Slice(qkv, 2, 0, keys),
                         f.Slice(qkv, 2, keys, values),
                         f.Slice(qkv, 2, values, weight[1]), terms));
  return f.Done();
}

// query, key, value [B,T,H*d], bias [3H]?, key padding mask?, attention bias?
Result<void> ImportMultiHeadAttention(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 6));
  for (size_t i = 0; i < 3; ++i) BITTERN_TRY(ExpectRank3(node, i));
  BITTERN_TRY_ASSIGN(const AttentionTerms terms,
                     ReadTerms(node, 4, 5, node.ShapeOf(node.Input(1))[1]));
  Formula f(node);
  ValueId parts[3];
  int64_t at = 0;
  for (size_t i = 0; i < 3; ++i) {
    parts[i] = node.Input(i);
    const int64_t width = node.ShapeOf(parts[i])[2];
    if (terms.heads < 1 || width < 1 || width % terms.heads != 0) {
      return WrongHeads(node, terms.heads);
    }
    if (node.Input(3) != kNone) {
      parts[i] = f.Add(parts[i], f.Slice(node.Input(3), 0, at, at + width));
    }
    at += width;
  }
  f.Answer(EmitAttention(f, parts[0], parts[1], parts[2], terms));
  return f.Done();
}

}  // namespace bittern::convert
