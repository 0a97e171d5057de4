// Matrix products. Gemm becomes Transpose, MatMul, Mul and Add, so that the
// passes see one spelling of a linear layer: MatMul(x, Transpose(W)) + bias.
#include <numeric>

#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

// Swaps the last two dimensions if `transposed` is set.
Result<ValueId> Operand(OnnxNode& node, ValueId id, bool transposed) {
  if (!transposed) return id;
  const size_t rank = node.ShapeOf(id).rank();
  if (rank < 2) {
    return node.Fail("cannot transpose an operand of " + std::to_string(rank) +
                     " dimensions, expected 2 or more");
  }
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), int64_t{0});
  std::swap(perm[rank - 1], perm[rank - 2]);
  return node.Emit("Transpose", {id}, {{"perm", perm}});
}

Result<void> ExpectMatrix(OnnxNode& node, size_t input) {
  const TensorType& type = node.TypeOf(node.Input(input));
  if (type.shape.rank() == 2) return {};
  return node.Fail("input " + std::to_string(input) + " is " +
                   runtime::ToString(type) + ", expected 2 dimensions");
}

}  // namespace

Result<void> ImportMatMul(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  return node.Answer("MatMul", node.inputs());
}

Result<void> ImportGemm(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  BITTERN_TRY(ExpectMatrix(node, 0));
  BITTERN_TRY(ExpectMatrix(node, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1));
  BITTERN_TRY_ASSIGN(const float beta, node.Float("beta", 1));
  BITTERN_TRY_ASSIGN(const int64_t trans_a, node.Int("transA", 0));
  BITTERN_TRY_ASSIGN(const int64_t trans_b, node.Int("transB", 0));
  node.Ignore("broadcast");  // before opset 7; exporters kept writing it
  BITTERN_TRY_ASSIGN(const ValueId a,
                     Operand(node, node.Input(0), trans_a != 0));
  BITTERN_TRY_ASSIGN(const ValueId b,
                     Operand(node, node.Input(1), trans_b != 0));
  ValueId bias = node.Input(2);
  if (beta == 0) bias = kNone;
  if (alpha == 1 && bias == kNone) return node.Answer("MatMul", {a, b});
  BITTERN_TRY_ASSIGN(ValueId product, node.Emit("MatMul", {a, b}));
  if (alpha != 1) {
    const std::vector<ValueId> scaled = {product, node.ScalarF32(alpha)};
    if (bias == kNone) return node.Answer("Mul", scaled);
    BITTERN_TRY_ASSIGN(product, node.Emit("Mul", scaled));
  }
  if (beta != 1) {
    BITTERN_TRY_ASSIGN(bias, node.Emit("Mul", {bias, node.ScalarF32(beta)}));
  }
  return node.Answer("Add", {product, bias});
}

Result<void> ImportFusedMatMul(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1));
  BITTERN_TRY_ASSIGN(const int64_t trans_a, node.Int("transA", 0));
  BITTERN_TRY_ASSIGN(const int64_t trans_b, node.Int("transB", 0));
  BITTERN_TRY_ASSIGN(const int64_t batch_a, node.Int("transBatchA", 0));
  BITTERN_TRY_ASSIGN(const int64_t batch_b, node.Int("transBatchB", 0));
  if (batch_a != 0 || batch_b != 0) {
    return node.FailUnsupported(
        "transBatchA or transBatchB is set, expected 0");
  }
  BITTERN_TRY_ASSIGN(const ValueId a,
                     Operand(node, node.Input(0), trans_a != 0));
  BITTERN_TRY_ASSIGN(const ValueId b,
                     Operand(node, node.Input(1), trans_b != 0));
  if (alpha == 1) return node.Answer("MatMul", {a, b});
  BITTERN_TRY_ASSIGN(const ValueId product, node.Emit("MatMul", {a, b}));
  return node.Answer("Mul", {product, node.ScalarF32(alpha)});
}

}  // namespace bittern::convert
