// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear as the arithmetic
// that defines them: divide, round half to even, add the zero point, clip,
// cast. f32 holds every code and every sum of a code and a zero point exactly.
#include <algorithm>

#include "converter/onnx/handlers.h"
#include "converter/onnx/quantization.h"
#include "converter/onnx/tensor.h"

namespace bittern::convert {

using runtime::DType;

Result<CodeRange> RangeOfCodes(OnnxNode& node, int32_t onnx_type) {
  const auto range = [](DType dtype, float low, float high) {
    return CodeRange{dtype, low, high};
  };
  switch (onnx_type) {
    case onnx::TensorProto::UINT8:
      return range(DType::kU8, 0, 255);
    case onnx::TensorProto::INT8:
      return range(DType::kS8, -128, 127);
    case onnx::TensorProto::UINT16:
      return range(DType::kI32, 0, 65535);
    case onnx::TensorProto::INT16:
      return range(DType::kI32, -32768, 32767);
    case kOnnxUint4:
      return range(DType::kU8, 0, 15);
    case kOnnxInt4:
      return range(DType::kS8, -8, 7);
    case kOnnxUint2:
      return range(DType::kU8, 0, 3);
    case kOnnxInt2:
      return range(DType::kS8, -2, 1);
    default:
      return node.FailUnsupported("quantises to " + OnnxTypeName(onnx_type) +
                                  ", expected an integer of 2 to 16 bits");
  }
}

ValueId EmitCodes(Formula& f, ValueId scaled, ValueId zero_point,
                  const CodeRange& range) {
  ValueId codes = f.Op("Round", {scaled});
  if (zero_point != kNone) {
    codes = f.Add(codes, f.Cast(zero_point, DType::kF32));
  }
  codes = f.Op("Clip", {codes}, {{"min", range.low}, {"max", range.high}});
  return f.Cast(codes, range.dtype);
}

// The range of x and 0 in 255 steps of u8.
DynamicCodes EmitDynamicCodes(Formula& f, ValueId x) {
  const CodeRange range{DType::kU8, 0, 255};
  const AttributeMap all = {{"keepdims", int64_t{0}}};
  const ValueId high = f.Op("Max", {f.Op("ReduceMax", {x}, all), f.F32(0)});
  const ValueId low = f.Op("Min", {f.Op("ReduceMin", {x}, all), f.F32(0)});
  const ValueId scale = f.Div(f.Sub(high, low), f.F32(255));
  const ValueId place = f.Op("Clip", {f.Div(f.Op("Neg", {low}), scale)},
                             {{"min", 0.0f}, {"max", 255.0f}});
  const ValueId zero_point = EmitCodes(f, place, kNone, range);
  return {EmitCodes(f, f.Div(x, scale), zero_point, range), scale, zero_point};
}

namespace {

// A scale or zero point so that it broadcasts with x: a scalar, one value for
// each position along `axis`, or one for each block along it.
Result<ValueId> Spread(OnnxNode& node, Formula& f, ValueId id,
                       int64_t block_size) {
  const Shape x = node.ShapeOf(node.Input(0));
  const Shape own = node.ShapeOf(id);
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", 1));
  if (own.Elements() == 1 && own.rank() <= 1) return f.Reshape(id, {});
  BITTERN_TRY_ASSIGN(const int64_t normalised,
                     node.NormaliseAxis(given, x.rank(), "axis"));
  const auto axis = static_cast<size_t>(normalised);
  if (own.rank() == 1 && own[0] == x[axis]) {
    std::vector<int64_t> dims(x.rank(), 1);
    dims[axis] = own[0];
    return f.Reshape(id, dims);
  }
  Shape blocks = x;
  // A block size that is left out follows from the shapes.
  if (block_size == 0 && own.rank() == x.rank() && own[axis] > 0) {
    block_size = (x[axis] + own[axis] - 1) / own[axis];
  }
  if (block_size > 0) {
    blocks[axis] = x[axis] / block_size + (x[axis] % block_size != 0 ? 1 : 0);
  }
  if (block_size < 1 || own != blocks || x.rank() + 1 > runtime::kMaxRank) {
    return node.Fail("a scale or zero point is " + runtime::ToString(own) +
                     " for " + runtime::ToString(x) +
                     ", expected one value, one for each position or one for "
                     "each block");
  }
  Shape repeated = blocks;
  ValueId value = f.Unsqueeze(id, {normalised + 1});
  std::vector<int64_t> repeats(x.rank() + 1, 1);
  repeats[axis + 1] = block_size;
  value = f.Op("Tile", {value}, {{"repeats", repeats}});
  repeated[axis] *= block_size;
  return f.Slice(f.ReshapeTo(value, repeated), axis, 0, x[axis]);
}

}  // namespace

Result<void> ImportQuantizeLinear(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  node.Ignore("saturate");   // of float8
  node.Ignore("precision");  // f32, whatever it says
  BITTERN_TRY_ASSIGN(const int64_t block_size, node.Int("block_size", 0));
  BITTERN_TRY_ASSIGN(const int64_t output_type, node.Int("output_dtype", 0));
  auto onnx_type = static_cast<int32_t>(output_type);
  if (node.Input(2) != kNone) {
    onnx_type = node.OnnxTypeOf(2);
  } else if (onnx_type == 0) {
    onnx_type = onnx::TensorProto::UINT8;
  }
  BITTERN_TRY_ASSIGN(const CodeRange range, RangeOfCodes(node, onnx_type));
  Formula f(node);
  BITTERN_TRY_ASSIGN(const ValueId scale,
                     Spread(node, f, node.Input(1), block_size));
  ValueId zero_point = kNone;
  if (node.Input(2) != kNone) {
    BITTERN_TRY_ASSIGN(zero_point, Spread(node, f, node.Input(2), block_size));
  }
  const ValueId x = f.Cast(node.Input(0), DType::kF32);
  f.Answer(EmitCodes(f, f.Div(x, scale), zero_point, range));
  return f.Done();
}

Result<void> ImportDequantizeLinear(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  node.Ignore("output_dtype");  // a float, which is f32 here
  BITTERN_TRY_ASSIGN(const int64_t block_size, node.Int("block_size", 0));
  Formula f(node);
  BITTERN_TRY_ASSIGN(const ValueId scale,
                     Spread(node, f, node.Input(1), block_size));
  ValueId x = f.Cast(node.Input(0), DType::kF32);
  if (node.Input(2) != kNone) {
    BITTERN_TRY_ASSIGN(const ValueId zero_point,
                       Spread(node, f, node.Input(2), block_size));
    x = f.Sub(x, f.Cast(zero_point, DType::kF32));
  }
  f.Answer(f.Mul(x, scale));
  return f.Done();
}

Result<void> ImportDynamicQuantizeLinear(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  Formula f(node);
  const DynamicCodes made = EmitDynamicCodes(f, node.Input(0));
  f.Answer(made.codes);
  if (node.output_count() > 1) f.Answer(made.scale, 1);
  if (node.output_count() > 2) f.Answer(made.zero_point, 2);
  return f.Done();
}

}  // namespace bittern::convert
