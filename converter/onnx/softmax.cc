// Softmax and LogSoftmax. Since opset 13 they work along one axis; before, on
// the matrix whose columns are all dimensions from `axis` on.
#include <numeric>

#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

// Softmax along the last dimension, or its logarithm as x - max -
// log(sum(exp)).
Result<ValueId> LastAxisSoftmax(OnnxNode& node, ValueId x) {
  if (node.op() == "Softmax") return node.Emit("Softmax", {x});
  const AttributeMap last = {{"axes", std::vector<int64_t>{-1}},
                             {"keepdims", int64_t{1}}};
  BITTERN_TRY_ASSIGN(const ValueId max, node.Emit("ReduceMax", {x}, last));
  BITTERN_TRY_ASSIGN(const ValueId shifted, node.Emit("Sub", {x, max}));
  BITTERN_TRY_ASSIGN(const ValueId exponential, node.Emit("Exp", {shifted}));
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     node.Emit("ReduceSum", {exponential}, last));
  BITTERN_TRY_ASSIGN(const ValueId logarithm, node.Emit("Log", {sum}));
  return node.Emit("Sub", {shifted, logarithm});
}

Result<void> AnswerFlattened(OnnxNode& node, size_t axis) {
  const Shape shape = node.ShapeOf(node.Input(0));
  const std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  BITTERN_TRY_ASSIGN(const ValueId matrix,
                     node.Emit("Flatten", {node.Input(0)},
                               {{"axis", static_cast<int64_t>(axis)}}));
  BITTERN_TRY_ASSIGN(const ValueId result, LastAxisSoftmax(node, matrix));
  const ValueId sizes = node.graph().AddI64(
      node.OutputName() + "/shape", {static_cast<int64_t>(dims.size())}, dims);
  return node.Answer("Reshape", {result, sizes});
}

Result<void> AnswerTransposed(OnnxNode& node, size_t axis) {
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), int64_t{0});
  std::swap(perm[axis], perm[rank - 1]);  // its own inverse
  BITTERN_TRY_ASSIGN(const ValueId moved,
                     node.Emit("Transpose", {node.Input(0)}, {{"perm", perm}}));
  BITTERN_TRY_ASSIGN(const ValueId result, LastAxisSoftmax(node, moved));
  return node.Answer("Transpose", {result}, {{"perm", perm}});
}

}  // namespace

Result<void> ImportSoftmax(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const bool flattens = node.opset() < 13;
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", flattens ? 1 : -1));
  BITTERN_TRY_ASSIGN(const int64_t normalised,
                     node.NormaliseAxis(given, rank, "axis"));
  const auto axis = static_cast<size_t>(normalised);
  if (axis + 1 != rank) {
    return flattens ? AnswerFlattened(node, axis)
                    : AnswerTransposed(node, axis);
  }
  if (node.op() == "Softmax") return node.Answer("Softmax", node.inputs());
  BITTERN_TRY_ASSIGN(const ValueId result,
                     LastAxisSoftmax(node, node.Input(0)));
  node.AnswerWith(result);
  return {};
}

}  // namespace bittern::convert
