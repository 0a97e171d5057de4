// Casts. Half and double floats are computed in f32 (tensor.h says which ONNX
// type becomes which), so casts among floats vanish; the graph's notes say so.
#include <algorithm>
#include <cstdlib>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"
#include "converter/onnx/tensor.h"

namespace bittern::convert {
namespace {

using runtime::DType;

void NoteOnce(Graph& graph, const std::string& note) {
  std::vector<std::string>& notes = graph.notes;
  if (std::find(notes.begin(), notes.end(), note) == notes.end()) {
    notes.push_back(note);
  }
}

Result<void> AnswerCast(OnnxNode& node, DType dtype) {
  const ValueId x = node.Input(0);
  if (node.TypeOf(x).dtype == dtype) {
    node.AnswerWith(x);
    return {};
  }
  return node.Answer("Cast", {x}, {{"to", runtime::ToString(dtype)}});
}

// Bits of a 2- or 4-bit integer, negative if it is signed; 0 for other types.
int NarrowBits(int32_t onnx_type) {
  switch (onnx_type) {
    case kOnnxInt4:
      return -4;
    case kOnnxUint4:
      return 4;
    case kOnnxInt2:
      return -2;
    case kOnnxUint2:
      return 2;
    default:
      return 0;
  }
}

// Round half to even, then keep the lowest bits: 2- and 4-bit integers wrap.
Result<void> AnswerNarrowCast(OnnxNode& node, DType dtype, int bits) {
  const int64_t values = int64_t{1} << std::abs(bits);
  const int64_t first = bits < 0 ? -values / 2 : 0;
  Formula f(node);
  ValueId x = node.Input(0);
  if (f.DTypeOf(x) == DType::kF32) x = f.Op("Round", {x});
  x = f.Sub(f.Cast(x, DType::kI64), f.I64(first));
  f.Answer(f.Cast(f.Add(f.Op("Mod", {x, f.I64(values)}), f.I64(first)), dtype));
  return f.Done();
}

// Bits of an integer of 8 to 32 bits, negative if it is signed; 0 for others.
int WholeBits(int32_t onnx_type) {
  using onnx::TensorProto;
  switch (onnx_type) {
    case TensorProto::BOOL:
    case TensorProto::UINT8:
      return 8;
    case TensorProto::INT8:
      return -8;
    case TensorProto::UINT16:
      return 16;
    case TensorProto::INT16:
      return -16;
    case TensorProto::UINT32:
      return 32;
    case TensorProto::INT32:
      return -32;
    default:
      return 0;
  }
}

}  // namespace

Result<void> ImportCast(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const int64_t to, node.Int("to", 0));
  node.Ignore("saturate");  // for float8 targets, which are not supported
  const auto onnx_type = static_cast<int32_t>(to);
  const Result<DType> dtype = DTypeOf(onnx_type);
  if (!dtype.ok() || onnx_type != to) {
    return node.FailUnsupported("casts to " + OnnxTypeName(onnx_type) +
                                ", expected a float, integer or BOOL");
  }
  const bool reduced = onnx_type == onnx::TensorProto::FLOAT16 ||
                       onnx_type == onnx::TensorProto::BFLOAT16;
  if (reduced) NoteOnce(node.graph(), "half-precision casts stay in f32");
  const int bits = NarrowBits(onnx_type);
  if (bits != 0) return AnswerNarrowCast(node, dtype.value(), bits);
  return AnswerCast(node, dtype.value());
}

// Integers of more than 8 bits may be wider here than in the file, so their
// bits are what a value is modulo 2^bits.
Result<void> ImportBitCast(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("to", 0));
  const auto to = static_cast<int32_t>(given);
  constexpr int32_t kFloat = onnx::TensorProto::FLOAT,
                    kInt = onnx::TensorProto::INT32;
  const int32_t from = node.OnnxTypeOf(0);
  const int bits = WholeBits(from == kFloat ? kInt : from),
            to_bits = WholeBits(to == kFloat ? kInt : to);
  if (bits == 0 || std::abs(bits) != std::abs(to_bits) ||
      to == onnx::TensorProto::BOOL) {
    return node.FailUnsupported("reads " + OnnxTypeName(from) + " as " +
                                OnnxTypeName(to) +
                                ", expected FLOAT or integers of 8 to 32 bits, "
                                "both of one size");
  }
  BITTERN_TRY_ASSIGN(const DType dtype, DTypeOf(to));
  Formula f(node);
  ValueId x = node.Input(0);
  if (from == kFloat) x = f.Op("BitCast", {x}, {{"to", std::string("i32")}});
  const int64_t values = int64_t{1} << std::abs(bits);
  const int64_t first = to_bits < 0 ? -values / 2 : 0;
  x = f.Sub(f.Cast(x, DType::kI64), f.I64(first));
  x = f.Add(f.Op("Mod", {x, f.I64(values)}), f.I64(first));
  if (to == kFloat) {
    x = f.Op("BitCast", {f.Cast(x, DType::kI32)}, {{"to", std::string("f32")}});
  }
  f.Answer(f.Cast(x, dtype));
  return f.Done();
}

Result<void> ImportCastLike(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  node.Ignore("saturate");
  const DType dtype = node.TypeOf(node.Input(1)).dtype;
  const int bits = NarrowBits(node.OnnxTypeOf(1));
  if (bits != 0) return AnswerNarrowCast(node, dtype, bits);
  return AnswerCast(node, dtype);
}

}  // namespace bittern::convert
