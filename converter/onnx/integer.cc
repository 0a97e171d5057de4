// Products of codes: MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv.
// Exact in f32 by digits: a code minus its zero point lies in [-255, 255]. The
// first operand is cut into digits of d bits, so that a sum of K products is at
// most K * 2^d * 255 <= 2^24, which f32 holds; the sums are joined in i32,
// which wraps as ONNX says.
#include <algorithm>

#include "converter/onnx/handlers.h"
#include "converter/onnx/quantization.h"
#include "converter/onnx/window.h"

namespace bittern::convert {
namespace {

using runtime::DType;

constexpr int64_t kExact = int64_t{1} << 24;

// The bits of one digit for sums of K products; 0 if none is small enough. With
// 9 bits [-255, 255] is one digit.
int64_t DigitBits(int64_t depth) {
  for (const int64_t bits : {9, 4, 2, 1}) {
    const int64_t largest = bits == 9 ? 255 : int64_t{1} << bits;
    if (depth <= kExact / (largest * 255)) return bits;
  }
  return 0;
}

// sum over the digits of 2^(i * bits) * product(digit i), as i32. Digits are
// floored, so only the last one is negative.
template <class Product>
ValueId ByDigits(Formula& f, ValueId a, int64_t bits, const Product& product) {
  ValueId sum = kNone;
  const auto base = static_cast<float>(int64_t{1} << bits);
  int64_t weight = 1;
  for (int64_t left = 9; left > 0; left -= bits, weight <<= bits) {
    ValueId digit = a;
    if (left > bits) {
      const ValueId rest = f.Op("Floor", {f.Mul(a, f.F32(1.0f / base))});
      digit = f.Sub(a, f.Mul(rest, f.F32(base)));
      a = rest;
    }
    ValueId term = f.Cast(product(digit), DType::kI32);
    if (weight != 1) term = f.Mul(term, f.Cast(f.I64(weight), DType::kI32));
    sum = sum == kNone ? term : f.Add(sum, term);
  }
  return sum;
}

// Codes minus their zero point in f32. A list of zero points counts along
// `axis`, from the end if negative.
Result<ValueId> Centred(OnnxNode& node, Formula& f, size_t input, size_t zero,
                        int64_t axis) {
  const Shape x = node.ShapeOf(node.Input(input));
  const DType dtype = node.TypeOf(node.Input(input)).dtype;
  if (dtype != DType::kU8 && dtype != DType::kS8) {
    return node.Fail("input " + std::to_string(input) + " is " +
                     runtime::ToString(dtype) + ", expected u8 or s8");
  }
  const ValueId codes = f.Cast(node.Input(input), DType::kF32);
  if (node.Input(zero) == kNone) return codes;
  ValueId point = f.Cast(node.Input(zero), DType::kF32);
  const Shape own = node.ShapeOf(node.Input(zero));
  if (own.rank() == 1 && own[0] != 1) {
    BITTERN_TRY_ASSIGN(const int64_t at,
                       node.NormaliseAxis(axis, x.rank(), "an axis"));
    std::vector<int64_t> dims(x.rank(), 1);
    dims[static_cast<size_t>(at)] = own[0];
    point = f.Reshape(point, dims);
  } else if (own.Elements() == 1) {
    point = f.Reshape(point, {});
  }
  return f.Sub(codes, point);
}

Error TooDeep(const OnnxNode& node, int64_t depth) {
  return node.FailUnsupported("sums " + std::to_string(depth) +
                              " products, expected at most 32896");
}

// The exact product of inputs a and b (zero points za and zb), i32.
Result<ValueId> EmitMatMul(OnnxNode& node, Formula& f, size_t a, size_t za,
                           size_t b, size_t zb) {
  const int64_t depth = node.ShapeOf(node.Input(a)).Last();
  const int64_t bits = DigitBits(depth);
  if (bits == 0) return TooDeep(node, depth);
  BITTERN_TRY_ASSIGN(const ValueId x, Centred(node, f, a, za, -2));
  BITTERN_TRY_ASSIGN(const ValueId y, Centred(node, f, b, zb, -1));
  return ByDigits(f, x, bits, [&](ValueId digit) {
    return f.Op("MatMul", {digit, y});
  });
}

Result<ValueId> EmitConv(OnnxNode& node, Formula& f, size_t x, size_t zx,
                         size_t w, size_t zw) {
  const Shape input = node.ShapeOf(node.Input(x));
  const Shape weight = node.ShapeOf(node.Input(w));
  if (weight.rank() != input.rank() || weight.rank() < 3 || weight.rank() > 4) {
    return node.Fail("weight is " + runtime::ToString(weight) +
                     " for an input " + runtime::ToString(input) +
                     ", expected as many dimensions, 3 or 4");
  }
  Convolution convolution;
  BITTERN_TRY_ASSIGN(convolution.window, ReadWindow(node, input,
                                                    {weight.dims().begin() + 2,
                                                     weight.dims().end()}));
  BITTERN_TRY_ASSIGN(convolution.group, node.Int("group", 1));
  const int64_t depth = Shape(weight.dims().subspan(1)).Elements();
  const int64_t bits = DigitBits(depth);
  if (bits == 0) return TooDeep(node, depth);
  BITTERN_TRY_ASSIGN(const ValueId codes, Centred(node, f, x, zx, 0));
  BITTERN_TRY_ASSIGN(convolution.weight, Centred(node, f, w, zw, 0));
  return ByDigits(f, codes, bits, [&](ValueId digit) {
    convolution.x = digit;
    return EmitConvolution(f, convolution);
  });
}

// A scale of one value or one for each of `count` positions along `axis`.
ValueId ScaleAlong(Formula& f, ValueId scale, size_t axis, size_t rank) {
  const Shape own = f.ShapeOf(scale);
  if (own.Elements() == 1) return f.Reshape(scale, {});
  if (own.rank() != 1) return scale;
  std::vector<int64_t> dims(rank, 1);
  dims[axis] = own[0];
  return f.Reshape(scale, dims);
}

// round(sum * (scale_a * scale_b / scale_y)) + zero point, of inputs first
// (scale) and first + 1 (zero point).
Result<void> AnswerRequantised(OnnxNode& node, Formula& f, ValueId sum,
                               ValueId scales, size_t first) {
  BITTERN_TRY_ASSIGN(const CodeRange range,
                     RangeOfCodes(node, node.OnnxTypeOf(first + 1)));
  const ValueId factor = f.Div(scales, f.Reshape(node.Input(first), {}));
  const ValueId scaled = f.Mul(f.Cast(sum, DType::kF32), factor);
  f.Answer(EmitCodes(f, scaled, f.Reshape(node.Input(first + 1), {}), range));
  return f.Done();
}

}  // namespace

Result<void> ImportMatMulInteger(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 4));
  Formula f(node);
  BITTERN_TRY_ASSIGN(const ValueId sum, EmitMatMul(node, f, 0, 2, 1, 3));
  f.Answer(sum);
  return f.Done();
}

Result<void> ImportConvInteger(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 4));
  Formula f(node);
  BITTERN_TRY_ASSIGN(const ValueId sum, EmitConv(node, f, 0, 2, 1, 3));
  f.Answer(sum);
  return f.Done();
}

Result<void> ImportQLinearMatMul(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(8, 8));
  Formula f(node);
  BITTERN_TRY_ASSIGN(const ValueId sum, EmitMatMul(node, f, 0, 2, 3, 5));
  const size_t rank = f.ShapeOf(sum).rank();
  if (rank < 2) return node.FailUnsupported("the product is a vector");
  const ValueId scales = f.Mul(ScaleAlong(f, node.Input(1), rank - 2, rank),
                               ScaleAlong(f, node.Input(4), rank - 1, rank));
  return AnswerRequantised(node, f, sum, scales, 6);
}

Result<void> ImportQLinearConv(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(8, 9));
  Formula f(node);
  BITTERN_TRY_ASSIGN(ValueId sum, EmitConv(node, f, 0, 2, 3, 5));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  if (node.Input(8) != kNone) {
    sum = f.Add(sum, ScaleAlong(f, node.Input(8), 1, rank));
  }
  const ValueId scales = f.Mul(ScaleAlong(f, node.Input(1), 1, rank),
                               ScaleAlong(f, node.Input(4), 1, rank));
  return AnswerRequantised(node, f, sum, scales, 6);
}

}  // namespace bittern::convert
