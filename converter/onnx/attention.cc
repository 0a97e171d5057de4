// Attention (opset 23, 24) and RotaryEmbedding (23) as the products, sums and
// softmax that define them, so that passes see one spelling of attention.
#include <cmath>
#include <limits>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

constexpr float kNever = -std::numeric_limits<float>::infinity();

enum AttentionInput : size_t {
  kQ,
  kK,
  kV,
  kMask,
  kPastKey,
  kPastValue,
  kLengths,
};

struct AttentionOptions {
  int64_t heads = 0, kv_heads = 0;
  float scale = 0;  // 0: 1 / sqrt(head size)
  float softcap = 0;
  int64_t mode = 0;  // which scores are the fourth output
  bool causal = false;
};

Result<AttentionOptions> ReadOptions(OnnxNode& node) {
  AttentionOptions options;
  node.Ignore("softmax_precision");  // f32, whatever it says
  BITTERN_TRY_ASSIGN(options.heads, node.Int("q_num_heads", 0));
  BITTERN_TRY_ASSIGN(options.kv_heads, node.Int("kv_num_heads", 0));
  BITTERN_TRY_ASSIGN(options.scale, node.Float("scale", 0));
  BITTERN_TRY_ASSIGN(options.softcap, node.Float("softcap", 0));
  BITTERN_TRY_ASSIGN(options.mode, node.Int("qk_matmul_output_mode", 0));
  BITTERN_TRY_ASSIGN(const int64_t causal, node.Int("is_causal", 0));
  options.causal = causal != 0;
  return options;
}

// [B,T,H*d] or [B,H,T,d] as [B,H,T,d].
Result<ValueId> SplitHeads(OnnxNode& node, Formula& f, size_t input,
                           int64_t heads) {
  const ValueId x = node.Input(input);
  const Shape shape = node.ShapeOf(x);
  if (shape.rank() == 4) return x;
  if (shape.rank() != 3 || heads < 1 || shape[2] % heads != 0) {
    return node.Fail("input " + std::to_string(input) + " is " +
                     runtime::ToString(node.TypeOf(x)) + " for " +
                     std::to_string(heads) +
                     " heads, expected 4 dimensions, or 3 of which the last "
                     "is a multiple of the heads");
  }
  const ValueId split =
      f.Reshape(x, {shape[0], shape[1], heads, shape[2] / heads});
  return f.Transpose(split, {0, 2, 1, 3});
}

// Heads of keys and values repeated for groups of queries.
ValueId RepeatHeads(Formula& f, ValueId x, int64_t heads) {
  const Shape shape = f.ShapeOf(x);
  if (f.failed() || shape.rank() != 4 || shape[1] == heads || shape[1] == 0 ||
      heads % shape[1] != 0) {
    return x;
  }
  const int64_t times = heads / shape[1];
  const ValueId repeated = f.Expand(
      f.Unsqueeze(x, {2}), {shape[0], shape[1], times, shape[2], shape[3]});
  return f.Reshape(repeated, {shape[0], heads, shape[2], shape[3]});
}

// What is added to the scores [B,H,Tq,Tk]; kNone for nothing.
class BiasWriter {
 public:
  BiasWriter(OnnxNode& node, Formula& f, int64_t queries, int64_t keys)
      : node_(node), f_(f), queries_(queries), keys_(keys) {}

  ValueId Write(bool causal) {
    if (node_.Input(kMask) != kNone) Add(Mask());
    if (causal) Add(Causal());
    if (node_.Input(kLengths) != kNone) Add(Padding());
    return bias_;
  }

 private:
  void Add(ValueId term) {
    bias_ = bias_ == kNone ? term : f_.Add(bias_, term);
  }

  // Keys that the mask does not reach are left out.
  ValueId Mask() {
    ValueId mask = node_.Input(kMask);
    if (f_.DTypeOf(mask) == DType::kBool) {
      mask = f_.Where(mask, f_.F32(0), f_.F32(kNever));
    }
    const Shape shape = f_.ShapeOf(mask);
    if (f_.failed() || shape.rank() == 0 || shape.Last() >= keys_ ||
        shape.Last() == 1) {
      return mask;
    }
    return f_.Pad(mask, shape.rank() - 1, 0, keys_ - shape.Last(), kNever);
  }

  // Query i sees the past and keys up to its own.
  ValueId Causal() {
    const ValueId past = node_.Input(kPastKey);
    const int64_t before = past == kNone ? 0 : node_.ShapeOf(past)[2];
    const ValueId last = f_.Add(f_.Iota(queries_, 0, 2), f_.I64(before));
    const ValueId seen = f_.Op("LessOrEqual", {f_.Iota(keys_, 1, 2), last});
    return f_.Where(seen, f_.F32(0), f_.F32(kNever));
  }

  ValueId Padding() {
    const ValueId lengths = node_.Input(kLengths);
    const Shape shape = f_.ShapeOf(lengths);
    const ValueId own = f_.Reshape(lengths, {shape.Elements(), 1, 1, 1});
    const ValueId seen = f_.Op("Less", {f_.Iota(keys_, 3, 4), own});
    return f_.Where(seen, f_.F32(0), f_.F32(kNever));
  }

  OnnxNode& node_;
  Formula& f_;
  const int64_t queries_, keys_;
  ValueId bias_ = kNone;
};

// The scores after each step, as the fourth output may be any of them.
struct Scores {
  ValueId product, capped, biased, probabilities;
};

Scores WriteScores(OnnxNode& node, Formula& f, ValueId q, ValueId k,
                   const AttentionOptions& options) {
  const Shape queries = f.ShapeOf(q), keys = f.ShapeOf(k);
  const float scale = options.scale != 0
                          ? options.scale
                          : 1 / std::sqrt(static_cast<float>(std::max<int64_t>(
                                    queries.rank() == 4 ? queries[3] : 1, 1)));
  const ValueId root = f.F32(std::sqrt(scale));
  Scores scores{};
  scores.product = f.Op(
      "MatMul", {f.Mul(q, root), f.Mul(f.Transpose(k, {0, 1, 3, 2}), root)});
  scores.capped = scores.product;
  if (options.softcap > 0) {
    const ValueId cap = f.F32(options.softcap);
    scores.capped = f.Mul(f.Op("Tanh", {f.Div(scores.product, cap)}), cap);
  }
  scores.biased = scores.capped;
  if (!f.failed()) {
    const ValueId bias =
        BiasWriter(node, f, queries[2], keys[2]).Write(options.causal);
    if (bias != kNone) scores.biased = f.Add(scores.capped, bias);
  }
  scores.probabilities = f.Op("Softmax", {scores.biased});
  return scores;
}

}  // namespace

Result<void> ImportAttention(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 7));
  BITTERN_TRY_ASSIGN(AttentionOptions options, ReadOptions(node));
  Formula f(node);
  BITTERN_TRY_ASSIGN(const ValueId q, SplitHeads(node, f, kQ, options.heads));
  BITTERN_TRY_ASSIGN(ValueId k, SplitHeads(node, f, kK, options.kv_heads));
  BITTERN_TRY_ASSIGN(ValueId v, SplitHeads(node, f, kV, options.kv_heads));
  if (node.Input(kPastKey) != kNone) {
    k = f.Concat({node.Input(kPastKey), k}, 2);
  }
  if (node.Input(kPastValue) != kNone) {
    v = f.Concat({node.Input(kPastValue), v}, 2);
  }
  if (f.failed()) return f.Done();
  const int64_t heads = f.ShapeOf(q)[1];
  const Scores scores =
      WriteScores(node, f, q, RepeatHeads(f, k, heads), options);
  ValueId y = f.Op("MatMul", {scores.probabilities, RepeatHeads(f, v, heads)});
  if (node.ShapeOf(node.Input(kQ)).rank() == 3 && !f.failed()) {
    const Shape shape = f.ShapeOf(y);
    y = f.Reshape(f.Transpose(y, {0, 2, 1, 3}),
                  {shape[0], shape[2], shape[1] * shape[3]});
  }
  f.Answer(y);
  const ValueId shown[] = {scores.product, scores.capped, scores.biased,
                           scores.probabilities};
  if (node.WantsOutput(1)) f.Answer(k, 1);
  if (node.WantsOutput(2)) f.Answer(v, 2);
  if (node.WantsOutput(3)) {
    if (options.mode < 0 || options.mode > 3) {
      return node.Fail("qk_matmul_output_mode is " +
                       std::to_string(options.mode) + ", expected 0 to 3");
    }
    f.Answer(shown[options.mode], 3);
  }
  return f.Done();
}

namespace {

// The tables of one embedding as [B or 1, T, 1, half].
ValueId TableAt(OnnxNode& node, Formula& f, ValueId table, ValueId positions) {
  const Shape shape = node.ShapeOf(table);
  if (positions == kNone) {
    return f.Unsqueeze(table, {static_cast<int64_t>(shape.rank()) - 1});
  }
  return f.Unsqueeze(f.Op("Gather", {table, positions}, {{"axis", int64_t{0}}}),
                     {2});
}

// x [B,T,H,d], its first `width` elements turned by the tables.
ValueId Rotate(Formula& f, ValueId x, ValueId cos, ValueId sin, int64_t width,
               bool interleaved) {
  const Shape shape = f.ShapeOf(x);
  if (f.failed()) return kNone;
  const int64_t half = width / 2;
  const ValueId a =
      interleaved ? f.Slice(x, 3, 0, width, 2) : f.Slice(x, 3, 0, half);
  const ValueId b =
      interleaved ? f.Slice(x, 3, 1, width, 2) : f.Slice(x, 3, half, width);
  const ValueId real = f.Sub(f.Mul(cos, a), f.Mul(sin, b));
  const ValueId imaginary = f.Add(f.Mul(sin, a), f.Mul(cos, b));
  ValueId turned;
  if (interleaved) {
    turned = f.Reshape(
        f.Concat({f.Unsqueeze(real, {4}), f.Unsqueeze(imaginary, {4})}, 4),
        {shape[0], shape[1], shape[2], width});
  } else {
    turned = f.Concat({real, imaginary}, 3);
  }
  if (width == shape[3]) return turned;
  return f.Concat({turned, f.Slice(x, 3, width, shape[3])}, 3);
}

}  // namespace

Result<void> ImportRotaryEmbedding(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 4));
  BITTERN_TRY_ASSIGN(const int64_t interleaved, node.Int("interleaved", 0));
  BITTERN_TRY_ASSIGN(const int64_t heads, node.Int("num_heads", 0));
  BITTERN_TRY_ASSIGN(int64_t width, node.Int("rotary_embedding_dim", 0));
  const ValueId input = node.Input(0);
  const Shape shape = node.ShapeOf(input);
  Formula f(node);
  ValueId x = input;
  if (shape.rank() == 4) {
    x = f.Transpose(input, {0, 2, 1, 3});
  } else if (shape.rank() == 3 && heads > 0 && shape[2] % heads == 0) {
    x = f.Reshape(input, {shape[0], shape[1], heads, shape[2] / heads});
  } else {
    return node.Fail("input 0 is " + runtime::ToString(node.TypeOf(input)) +
                     " for " + std::to_string(heads) +
                     " heads, expected 4 dimensions, or 3 and num_heads");
  }
  if (f.failed()) return f.Done();
  const int64_t size = f.ShapeOf(x)[3];
  if (width == 0) width = size;
  const Shape& table = node.ShapeOf(node.Input(1));
  if (width < 2 || width % 2 != 0 || width > size || table.rank() < 2 ||
      table != node.ShapeOf(node.Input(2)) || table.Last() != width / 2) {
    return node.Fail(
        "the tables are " + runtime::ToString(node.TypeOf(node.Input(1))) +
        " and " + runtime::ToString(node.TypeOf(node.Input(2))) +
        ", expected the same and a last dimension of half of the " +
        std::to_string(width) + " elements to rotate, of " +
        std::to_string(size));
  }
  x = Rotate(f, x, TableAt(node, f, node.Input(1), node.Input(3)),
             TableAt(node, f, node.Input(2), node.Input(3)), width,
             interleaved != 0);
  f.Answer(shape.rank() == 4 ? f.Transpose(x, {0, 2, 1, 3})
                             : f.ReshapeTo(x, shape));
  return f.Done();
}

}  // namespace bittern::convert
