// Casts. Half and double floats are computed in f32 (tensor.h says which ONNX
// type becomes which), so casts among floats vanish; the graph's notes say so.
#include <algorithm>

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
  return AnswerCast(node, dtype.value());
}

Result<void> ImportCastLike(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  node.Ignore("saturate");
  return AnswerCast(node, node.TypeOf(node.Input(1)).dtype);
}

}  // namespace bittern::convert
