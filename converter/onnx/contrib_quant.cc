// Quantised operators of com.microsoft as codes to floats, the float operator,
// floats to codes: passes recognise products of codes in that form.
#include <algorithm>
#include <cmath>

#include "converter/onnx/handlers.h"
#include "converter/onnx/quantization.h"

namespace bittern::convert {
namespace {

using runtime::DType;

// One value, or one for each position along `axis` of `rank` dimensions.
ValueId Along(Formula& f, ValueId id, size_t axis, size_t rank) {
  const Shape own = f.ShapeOf(id);
  if (own.Elements() == 1) return f.Reshape(id, {});
  if (own.rank() != 1 || axis >= rank) return id;
  std::vector<int64_t> dims(rank, 1);
  dims[axis] = own[0];
  return f.Reshape(id, dims);
}

// (codes - zero) * scale; lists of scales count along the last dimension.
ValueId Floats(Formula& f, ValueId codes, ValueId scale, ValueId zero) {
  const size_t rank = f.ShapeOf(codes).rank();
  const size_t axis = rank == 0 ? 0 : rank - 1;
  ValueId x = f.Cast(codes, DType::kF32);
  if (zero != kNone) {
    x = f.Sub(x, Along(f, f.Cast(zero, DType::kF32), axis, rank));
  }
  return f.Mul(x, Along(f, scale, axis, rank));
}

// Codes of the type of input `zero` (u8 if that is absent).
Result<ValueId> Codes(OnnxNode& node, Formula& f, ValueId x, size_t scale,
                      size_t zero) {
  const bool given = node.Input(zero) != kNone;
  BITTERN_TRY_ASSIGN(const CodeRange range,
                     RangeOfCodes(node, given ? node.OnnxTypeOf(zero)
                                              : onnx::TensorProto::UINT8));
  return EmitCodes(f, f.Div(x, f.Reshape(node.Input(scale), {})),
                   given ? f.Reshape(node.Input(zero), {}) : kNone, range);
}

Result<void> AnswerCodes(OnnxNode& node, Formula& f, ValueId x, size_t scale,
                         size_t zero) {
  BITTERN_TRY_ASSIGN(const ValueId codes, Codes(node, f, x, scale, zero));
  f.Answer(codes);
  return f.Done();
}

Result<void> ExpectNchw(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const int64_t last, node.Int("channels_last", 0));
  if (last == 0) return {};
  return node.FailUnsupported("channels_last is set, expected 0");
}

}  // namespace

// QLinearAdd and QLinearMul.
Result<void> ImportQLinearBinary(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 8));
  for (size_t i : {size_t{3}, size_t{4}, size_t{6}}) {
    if (node.Input(i) == kNone)
      return node.Fail("lacks input " + std::to_string(i));
  }
  Formula f(node);
  const ValueId a = Floats(f, node.Input(0), node.Input(1), node.Input(2));
  const ValueId b = Floats(f, node.Input(3), node.Input(4), node.Input(5));
  return AnswerCodes(node, f, f.Op(node.op().substr(7), {a, b}), 6, 7);
}

// QLinearSigmoid, QLinearLeakyRelu and QLinearGlobalAveragePool.
Result<void> ImportQLinearUnary(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 5));
  if (node.Input(3) == kNone) return node.Fail("lacks input 3");
  BITTERN_TRY(ExpectNchw(node));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 0.01f));
  Formula f(node);
  const ValueId x = Floats(f, node.Input(0), node.Input(1), node.Input(2));
  ValueId y = kNone;
  if (node.op() == "QLinearSigmoid") {
    y = f.Op("Sigmoid", {x});
  } else if (node.op() == "QLinearLeakyRelu") {
    y = f.Where(f.Op("Less", {x, f.F32(0)}), f.Mul(x, f.F32(alpha)), x);
  } else {
    const size_t rank = node.ShapeOf(node.Input(0)).rank();
    std::vector<int64_t> axes;
    for (size_t i = 2; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
    y = f.Reduce("ReduceMean", x, axes, true);
  }
  return AnswerCodes(node, f, y, 3, 4);
}

Result<void> ImportQLinearSoftmax(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(4, 5));
  BITTERN_TRY_ASSIGN(const int64_t opset, node.Int("opset", 13));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -1));
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, shape.rank(), "axis"));
  if (axis + 1 != static_cast<int64_t>(shape.rank())) {
    return node.FailUnsupported("opset " + std::to_string(opset) +
                                " over axis " + std::to_string(axis) +
                                ", expected the last one");
  }
  Formula f(node);
  const ValueId x = Floats(f, node.Input(0), node.Input(1), node.Input(2));
  return AnswerCodes(node, f, f.Op("Softmax", {x}), 3, 4);
}

// y_scale, y_zero_point, then (codes, scale, zero point) of each part.
Result<void> ImportQLinearConcat(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(5, SIZE_MAX));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", 0));
  BITTERN_TRY_ASSIGN(
      const int64_t axis,
      node.NormaliseAxis(given, node.ShapeOf(node.Input(2)).rank(), "axis"));
  if (node.input_count() % 3 != 2) {
    return node.Fail("has " + std::to_string(node.input_count()) +
                     " inputs, expected two and three for each part");
  }
  Formula f(node);
  std::vector<ValueId> parts;
  for (size_t i = 2; i < node.input_count(); i += 3) {
    parts.push_back(
        Floats(f, node.Input(i), node.Input(i + 1), node.Input(i + 2)));
  }
  return AnswerCodes(node, f, f.Concat(parts, static_cast<size_t>(axis)), 0, 1);
}

// a, a_scale, a_zero, b, b_scale, b_zero, c?, y_scale?, y_zero?
Result<void> ImportQGemm(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(6, 9));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1));
  BITTERN_TRY_ASSIGN(const int64_t trans_a, node.Int("transA", 0));
  BITTERN_TRY_ASSIGN(const int64_t trans_b, node.Int("transB", 0));
  if (node.ShapeOf(node.Input(0)).rank() != 2 ||
      node.ShapeOf(node.Input(3)).rank() != 2) {
    return node.Fail("its operands are " +
                     runtime::ToString(node.TypeOf(node.Input(0))) + " and " +
                     runtime::ToString(node.TypeOf(node.Input(3))) +
                     ", expected matrices");
  }
  Formula f(node);
  ValueId a = Floats(f, node.Input(0), node.Input(1), node.Input(2));
  if (trans_a != 0) a = f.Transpose(a, {1, 0});
  // Scales of b count along its columns, before or after the transposition.
  ValueId b = f.Cast(node.Input(3), DType::kF32);
  if (trans_b != 0) b = f.Transpose(b, {1, 0});
  b = f.Sub(b, Along(f, f.Cast(node.Input(5), DType::kF32), 1, 2));
  const ValueId b_scale = Along(f, node.Input(4), 1, 2);
  ValueId y = f.Op("MatMul", {a, f.Mul(b, b_scale)});
  if (node.Input(6) != kNone) {  // i32, of scale a_scale * b_scale
    const ValueId scale = f.Mul(f.Reshape(node.Input(1), {}), b_scale);
    y = f.Add(y, f.Mul(f.Cast(node.Input(6), DType::kF32), scale));
  }
  if (alpha != 1) y = f.Mul(y, f.F32(alpha));
  if (node.Input(7) != kNone) return AnswerCodes(node, f, y, 7, 8);
  f.Answer(y);
  return f.Done();
}

// a, b, a_scale, b_scale, a_zero?, b_zero?, bias?
Result<void> ImportMatMulIntegerToFloat(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(4, 7));
  Formula f(node);
  const ValueId a = Floats(f, node.Input(0), node.Input(2), node.Input(4));
  const ValueId b = Floats(f, node.Input(1), node.Input(3), node.Input(5));
  ValueId y = f.Op("MatMul", {a, b});
  if (node.Input(6) != kNone) y = f.Add(y, node.Input(6));
  f.Answer(y);
  return f.Done();
}

// a (f32, quantised while it runs), b, b_scale, b_zero?, bias?
Result<void> ImportDynamicQuantizeMatMul(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 5));
  Formula f(node);
  const DynamicCodes codes = EmitDynamicCodes(f, node.Input(0));
  const ValueId a = Floats(f, codes.codes, codes.scale, codes.zero_point);
  const ValueId b = Floats(f, node.Input(1), node.Input(2), node.Input(3));
  ValueId y = f.Op("MatMul", {a, b});
  if (node.Input(4) != kNone) y = f.Add(y, node.Input(4));
  f.Answer(y);
  return f.Done();
}

namespace {

struct BlockedWeights {
  int64_t k = 0, n = 0, block = 0, bits = 4, blocks = 0;

  size_t Bytes() const {  // of one block
    return static_cast<size_t>(block * bits / 8);
  }
};

Result<BlockedWeights> ReadBlocked(OnnxNode& node) {
  BlockedWeights w;
  BITTERN_TRY_ASSIGN(w.k, node.Int("K", 0));
  BITTERN_TRY_ASSIGN(w.n, node.Int("N", 0));
  BITTERN_TRY_ASSIGN(w.block, node.Int("block_size", 0));
  BITTERN_TRY_ASSIGN(w.bits, node.Int("bits", 4));
  node.Ignore("accuracy_level");  // f32 here
  BITTERN_TRY_ASSIGN(const int64_t packed, node.Int("weight_prepacked", 0));
  constexpr int64_t kMost = 1 << 24;
  const bool sizes = w.k > 0 && w.n > 0 && w.k <= kMost && w.n <= kMost &&
                     w.block >= 16 && w.block <= kMost &&
                     (w.block & (w.block - 1)) == 0;
  if (!sizes || (w.bits != 2 && w.bits != 4 && w.bits != 8) || packed != 0) {
    return node.Fail("K " + std::to_string(w.k) + ", N " + std::to_string(w.n) +
                     ", block_size " + std::to_string(w.block) + ", bits " +
                     std::to_string(w.bits) +
                     ", expected sizes, a power of two from 16 and 2, 4 or 8 "
                     "bits, not packed for one CPU");
  }
  w.blocks = (w.k + w.block - 1) / w.block;
  return w;
}

// The zero point of each block: packed codes, floats, or the middle.
Result<std::vector<float>> ZeroPoints(OnnxNode& node, const BlockedWeights& w) {
  const auto count = static_cast<size_t>(w.n * w.blocks);
  std::vector<float> zeros(count, static_cast<float>(1 << (w.bits - 1)));
  const ValueId id = node.Input(3);
  if (id == kNone) return zeros;
  BITTERN_TRY(node.ExpectConstant(id, "the zero points"));
  const TensorType& type = node.TypeOf(id);
  const int64_t row = (w.blocks * w.bits + 7) / 8;
  if (type.dtype == DType::kF32 && type.shape.Elements() == w.n * w.blocks) {
    return node.graph().F32(id);
  }
  if (type.dtype != DType::kU8 || type.shape.Elements() != w.n * row) {
    return node.Fail("the zero points are " + runtime::ToString(type) +
                     ", expected " + std::to_string(w.n * w.blocks) +
                     " floats or packed codes");
  }
  const uint8_t* data = node.graph().value(id).constant->data();
  for (int64_t n = 0; n < w.n; ++n) {
    for (int64_t b = 0; b < w.blocks; ++b) {
      const int64_t bit = b * w.bits;
      const int byte = data[n * row + bit / 8] >> (bit % 8);
      zeros[static_cast<size_t>(n * w.blocks + b)] =
          static_cast<float>(byte & ((1 << w.bits) - 1));
    }
  }
  return zeros;
}

}  // namespace

// a, b u8 [N, blocks, bytes], scales, zero points?, g_idx?, bias?: the weights
// are (code - zero point) * scale, of whole blocks, of which K inputs count.
Result<void> ImportMatMulNBits(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 6));
  BITTERN_TRY_ASSIGN(const BlockedWeights w, ReadBlocked(node));
  if (node.Input(4) != kNone) {
    return node.FailUnsupported("g_idx reorders the blocks, expected none");
  }
  BITTERN_TRY(node.ExpectConstant(node.Input(1), "the weight"));
  BITTERN_TRY(node.ExpectConstant(node.Input(2), "the scales"));
  const int64_t scales = node.ShapeOf(node.Input(2)).Elements();
  const TensorType type = node.TypeOf(node.Input(1));
  const auto bytes = static_cast<int64_t>(w.Bytes());
  if (type.dtype != DType::kU8 ||
      type.shape.Elements() != w.n * w.blocks * bytes ||
      node.TypeOf(node.Input(2)).dtype != DType::kF32 ||
      scales != w.n * w.blocks) {
    return node.Fail("the weight is " + runtime::ToString(type) + " with " +
                     std::to_string(scales) + " scales, expected " +
                     std::to_string(w.n * w.blocks * bytes) + " bytes and " +
                     std::to_string(w.n * w.blocks));
  }
  const int64_t padded = w.blocks * w.block;
  BITTERN_TRY(CheckValueSize({DType::kF32, {w.n, padded}, {}}, "the weight"));
  BITTERN_TRY_ASSIGN(const std::vector<float> zeros, ZeroPoints(node, w));
  const uint8_t* data = node.graph().value(node.Input(1)).constant->data();
  std::vector<float> codes;
  codes.reserve(static_cast<size_t>(w.n * padded));
  for (int64_t i = 0; i < w.n * w.blocks * bytes; ++i) {
    for (int64_t bit = 0; bit < 8; bit += w.bits) {
      codes.push_back(static_cast<float>(data[i] >> bit & ((1 << w.bits) - 1)));
    }
  }
  Formula f(node);
  const std::vector<int64_t> lists = {w.n, w.blocks, 1};
  ValueId weight = f.Sub(f.Floats({w.n, w.blocks, w.block}, codes),
                         f.Floats({w.n, w.blocks, 1}, zeros));
  weight = f.Mul(weight, f.Reshape(node.Input(2), lists));
  weight = f.Slice(f.Reshape(weight, {w.n, padded}), 1, 0, w.k);
  ValueId y = f.Op("MatMul", {node.Input(0), f.Transpose(weight, {1, 0})});
  if (node.Input(5) != kNone) y = f.Add(y, node.Input(5));
  f.Answer(y);
  return f.Done();
}

}  // namespace bittern::convert
