// AffineGrid: the points of an even grid over [-1, 1] in each direction, moved
// by one affine map for each image: what GridSample reads.
#include <span>
#include <string>
#include <vector>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

// More points along one dimension mean nothing.
constexpr int64_t kMaxPoints = int64_t{1} << 20;

// Where the points of a dimension lie: the centres of its pixels, or from edge
// to edge (a single point is then in the middle, as PyTorch has it).
std::vector<float> Points(int64_t count, bool align_corners) {
  std::vector<float> points;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<double>(i);
    const auto n = static_cast<double>(count);
    double point = (2 * at + 1) / n - 1;
    if (align_corners) point = count == 1 ? 0 : 2 * at / (n - 1) - 1;
    points.push_back(static_cast<float>(point));
  }
  return points;
}

}  // namespace

Result<void> ImportAffineGrid(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const int64_t align, node.Int("align_corners", 0));
  BITTERN_TRY_ASSIGN(const std::vector<int64_t> size,
                     node.ConstantInts(node.Input(1), "size"));
  const ValueId theta = node.Input(0);
  const Shape given = node.ShapeOf(theta);
  const auto spatial = static_cast<int64_t>(size.size()) - 2;
  if ((spatial != 2 && spatial != 3) ||
      !(given == Shape{size[0], spatial, spatial + 1})) {
    return node.Fail("theta is " + runtime::ToString(node.TypeOf(theta)) +
                     " for a size of " + std::to_string(size.size()) +
                     " values, expected [N,2,3] for [N,C,H,W] or [N,3,4] for "
                     "[N,C,D,H,W]");
  }
  for (size_t d = 2; d < size.size(); ++d) {
    if (size[d] >= 1 && size[d] <= kMaxPoints) continue;
    return node.Fail("size has " + std::to_string(size[d]) +
                     ", expected 1 to " + std::to_string(kMaxPoints));
  }
  // Row i of theta holds the factors of x, y (and z) and a shift, and gives
  // coordinate i; x counts along the last dimension.
  Formula f(node);
  const auto rank = static_cast<size_t>(spatial) + 2;
  std::vector<int64_t> row(rank, 1);
  row[0] = size[0];
  row[rank - 1] = spatial;
  const auto column = [&](int64_t j) {
    return f.Reshape(f.Slice(theta, 2, j, j + 1), row);
  };
  ValueId sum = column(spatial);
  for (int64_t j = 0; j < spatial; ++j) {
    const auto dim = static_cast<size_t>(spatial - j);  // in the grid
    std::vector<int64_t> along(rank, 1);
    along[dim] = size[dim + 1];
    const ValueId points = f.Floats(Shape(std::span<const int64_t>(along)),
                                    Points(along[dim], align != 0));
    sum = f.Add(sum, f.Mul(points, column(j)));
  }
  f.Answer(sum);
  return f.Done();
}

}  // namespace bittern::convert
