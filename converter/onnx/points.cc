// Operators on clouds of points, of our own domain `bittern`: PyTorch has no
// operators that ONNX knows for them (models/poem/points.py exports these).
#include "converter/onnx/handlers.h"

namespace bittern::convert {

Result<void> ImportFarthestPointSample(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const int64_t count, node.Int("count", 0));
  BITTERN_TRY_ASSIGN(const int64_t start, node.Int("start", 0));
  return node.Answer("FarthestPointSample", node.inputs(),
                     {{"count", count}, {"start", start}});
}

Result<void> ImportBallQuery(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const float radius, node.Float("radius", -1));
  BITTERN_TRY_ASSIGN(const int64_t count, node.Int("count", 0));
  return node.Answer("BallQuery", node.inputs(),
                     {{"radius", radius}, {"count", count}});
}

// Without queries, the points are their own.
Result<void> ImportKnnGraph(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  BITTERN_TRY_ASSIGN(const int64_t k, node.Int("k", 0));
  const ValueId queries =
      node.Input(1) == kNone ? node.Input(0) : node.Input(1);
  return node.Answer("KnnGraph", {node.Input(0), queries}, {{"k", k}});
}

Result<void> ImportThreeInterpolate(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  return node.Answer("ThreeInterpolate", node.inputs());
}

}  // namespace bittern::convert
