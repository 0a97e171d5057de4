#include "converter/onnx/known_sizes.h"

#include <string>
#include <string_view>

namespace bittern::convert {
namespace {

// Operators whose handlers ask for ranks, not for sizes, so that a dimension of
// -1 (runtime/plan/stages.h) may pass through them.
constexpr std::string_view kTakers =
    " Abs Acos Add And Asin Atan Cast Ceil Clip Compress Concat "
    "ConstantOfShape Cos Div Equal Erf Exp Expand Flatten Floor Gather "
    "GatherElements GatherND Greater GreaterOrEqual Identity If Less "
    "LessOrEqual Log Loop Max Min Mul Neg NonMaxSuppression NonZero Not "
    "Or Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd "
    "ReduceSum Relu Reshape Round Shape Sigmoid Sign Sin Slice Sqrt "
    "Squeeze Sub Sum Tanh Tile Transpose Unsqueeze Where Xor ";

}  // namespace

Result<void> ExpectKnownSizes(OnnxNode& node) {
  if (kTakers.find(" " + node.op() + " ") != std::string_view::npos) return {};
  for (ValueId id : node.inputs()) {
    if (id == kNone || node.ShapeOf(id).IsStatic()) continue;
    // x[mask] = y[mask], step after step.
    const char* hint =
        node.op() == "ScatterND"
            ? " (loops of farthest point sampling assign through masks: "
              "models/poem/points.py exports them as one operator)"
            : "";
    return node.FailUnsupported(
        "an input is " + runtime::ToString(node.TypeOf(id)) +
        ", of a size that only the run knows, expected a size that is known" +
        hint);
  }
  return {};
}

}  // namespace bittern::convert
