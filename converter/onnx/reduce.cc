// Reductions. Their axes are an attribute up to opset 12 (ReduceSum) or 17 (the
// others) and an input after that; both forms are read at every opset.
#include <limits>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

struct Reduction {
  AttributeMap attributes;
  bool nothing = false;  // noop_with_empty_axes: the input passes through
};

Result<Reduction> ReadReduction(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  Reduction reduction;
  BITTERN_TRY_ASSIGN(const int64_t keepdims, node.Int("keepdims", 1));
  BITTERN_TRY_ASSIGN(const int64_t noop, node.Int("noop_with_empty_axes", 0));
  BITTERN_TRY_ASSIGN(const std::optional<std::vector<int64_t>> axes,
                     node.Axes(1, rank));
  reduction.attributes.emplace("keepdims", int64_t{keepdims != 0});
  const bool all = !axes || axes->empty();
  reduction.nothing = all && noop != 0;
  if (!all) reduction.attributes.emplace("axes", *axes);
  return reduction;
}

// The reduction of a value that may be of a narrow integer type.
Result<ValueId> EmitReduce(OnnxNode& node, const std::string& op, ValueId x,
                           const AttributeMap& attributes) {
  const DType dtype = node.TypeOf(x).dtype;
  if (dtype == DType::kF32 || dtype == DType::kI64) {
    return node.Emit(op, {x}, attributes);
  }
  BITTERN_TRY_ASSIGN(const ValueId wide, node.CastTo(x, DType::kI64));
  BITTERN_TRY_ASSIGN(const ValueId result, node.Emit(op, {wide}, attributes));
  return node.CastTo(result, dtype);
}

}  // namespace

Result<void> ImportReduce(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const Reduction reduction, ReadReduction(node));
  const ValueId x = node.Input(0);
  if (reduction.nothing) {
    node.AnswerWith(x);
    return {};
  }
  if (node.TypeOf(x).dtype == DType::kF32) {
    return node.Answer(node.op(), {x}, reduction.attributes);
  }
  BITTERN_TRY_ASSIGN(const ValueId result,
                     EmitReduce(node, node.op(), x, reduction.attributes));
  node.AnswerWith(result);
  return {};
}

// after(ReduceSum(before(x))): L1, L2, sum of squares, log of the sum.
Result<void> ImportReduceOfMapped(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const Reduction reduction, ReadReduction(node));
  if (reduction.nothing) {
    return node.FailUnsupported(
        "noop_with_empty_axes without axes, expected axes");
  }
  const std::string& op = node.op();
  ValueId x = node.Input(0);
  if (op == "ReduceL1") {
    BITTERN_TRY_ASSIGN(x, node.Emit("Abs", {x}));
  }
  if (op == "ReduceL2" || op == "ReduceSumSquare") {
    BITTERN_TRY_ASSIGN(x, node.Emit("Mul", {x, x}));
  }
  BITTERN_TRY_ASSIGN(x, EmitReduce(node, "ReduceSum", x, reduction.attributes));
  if (op == "ReduceL2") return node.Answer("Sqrt", {x});
  if (op == "ReduceLogSum") return node.Answer("Log", {x});
  node.AnswerWith(x);
  return {};
}

// max + log(sum(exp(x - max))), with a maximum that stays finite.
Result<void> ImportReduceLogSumExp(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const Reduction reduction, ReadReduction(node));
  const ValueId x = node.Input(0);
  if (reduction.nothing) {
    return node.FailUnsupported(
        "noop_with_empty_axes without axes, expected axes");
  }
  constexpr float kLargest = std::numeric_limits<float>::max();
  AttributeMap kept = reduction.attributes;
  kept["keepdims"] = int64_t{1};
  Formula f(node);
  const ValueId max = f.Op("Clip", {f.Op("ReduceMax", {x}, kept)},
                           {{"min", -kLargest}, {"max", kLargest}});
  const ValueId sum =
      f.Op("ReduceSum", {f.Op("Exp", {f.Sub(x, max)})}, reduction.attributes);
  const ValueId logarithm = f.Op("Log", {sum});
  f.Answer(f.Add(logarithm, f.ReshapeTo(max, f.ShapeOf(logarithm))));
  return f.Done();
}

namespace {

// Along `axis`, which a scan over windows of 1, 2, 4... elements multiplies in.
ValueId EmitCumProd(Formula& f, ValueId x, size_t axis) {
  const int64_t length = f.ShapeOf(x)[axis];
  for (int64_t step = 1; step < length && !f.failed(); step *= 2) {
    const ValueId moved = f.Mul(f.Slice(x, axis, step, length),
                                f.Slice(x, axis, 0, length - step));
    x = f.Concat({f.Slice(x, axis, 0, step), moved}, axis);
  }
  return x;
}

// Reversed sums run over the input turned round; exclusive ones over the input
// moved by one, with a 0 (of products, a 1) in front.
Result<void> AnswerCumulative(OnnxNode& node, bool product) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const int64_t exclusive, node.Int("exclusive", 0));
  BITTERN_TRY_ASSIGN(const int64_t reverse, node.Int("reverse", 0));
  BITTERN_TRY_ASSIGN(const std::vector<int64_t> list,
                     node.ConstantInts(node.Input(1), "axis"));
  if (list.size() != 1) return node.Fail("axis is a list, expected a number");
  const TensorType type = node.TypeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const int64_t normalised,
                     node.NormaliseAxis(list[0], type.shape.rank(), "axis"));
  const auto axis = static_cast<size_t>(normalised);
  Formula f(node);
  ValueId x = node.Input(0);
  if (reverse != 0) x = f.Slice(x, axis, -1, INT64_MIN, -1);
  if (exclusive != 0 && type.shape[axis] != 0) {
    Shape first = type.shape;
    first[axis] = 1;
    const ValueId none = f.Expand(f.Number(type.dtype, product ? 1 : 0), first);
    x = f.Concat({none, f.Slice(x, axis, 0, type.shape[axis] - 1)}, axis);
  }
  x = product ? EmitCumProd(f, x, axis)
              : f.Op("CumSum", {x}, {{"axis", normalised}});
  if (reverse != 0) x = f.Slice(x, axis, -1, INT64_MIN, -1);
  f.Answer(x);
  return f.Done();
}

}  // namespace

Result<void> ImportCumSum(OnnxNode& node) {
  return AnswerCumulative(node, false);
}

Result<void> ImportCumProd(OnnxNode& node) {
  return AnswerCumulative(node, true);
}

}  // namespace bittern::convert
