// Masks, one-hot codes and selections, as comparisons with running indices.
#include <algorithm>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"
#include "converter/onnx/tensor.h"

namespace bittern::convert {
namespace {

using runtime::DType;

// True where column - row compares with `diagonal`: bool [rows, columns].
ValueId DiagonalMask(Formula& f, const std::string& comparison, int64_t rows,
                     int64_t columns, ValueId diagonal) {
  const ValueId row = f.Add(f.Iota(rows, 0, 2), diagonal);
  return f.Op(comparison, {f.Iota(columns, 1, 2), row});
}

// A diagonal beyond the matrix is as good as one just beyond it.
ValueId ClampDiagonal(Formula& f, ValueId diagonal) {
  constexpr int64_t kLimit = int64_t{1} << 40;
  return f.Op("Max", {f.Op("Min", {diagonal, f.I64(kLimit)}), f.I64(-kLimit)});
}

}  // namespace

Result<void> ImportTrilu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  const ValueId x = node.Input(0);
  const Shape shape = node.ShapeOf(x);
  BITTERN_TRY_ASSIGN(const int64_t upper, node.Int("upper", 1));
  Formula f(node);
  ValueId diagonal = f.I64(0);
  if (node.Input(1) != kNone) {
    if (node.ShapeOf(node.Input(1)).rank() > 1 ||
        node.ShapeOf(node.Input(1)).Elements() != 1)
      return node.Fail("k is a list, expected a number");
    diagonal =
        ClampDiagonal(f, f.Cast(f.Reshape(node.Input(1), {}), DType::kI64));
  }
  if (shape.rank() < 2) {
    return node.Fail("input is " + runtime::ToString(shape) +
                     ", expected 2 or more dimensions");
  }
  const ValueId kept =
      DiagonalMask(f, upper != 0 ? "GreaterOrEqual" : "LessOrEqual",
                   shape[shape.rank() - 2], shape.Last(), diagonal);
  f.Answer(f.Where(kept, x, f.Number(node.TypeOf(x).dtype, 0)));
  return f.Done();
}

Result<void> ImportEyeLike(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const TensorType type = node.TypeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const int64_t diagonal, node.Int("k", 0));
  BITTERN_TRY_ASSIGN(const int64_t onnx_type, node.Int("dtype", 0));
  DType dtype = type.dtype;
  if (node.Has("dtype")) {
    BITTERN_TRY_ASSIGN(dtype, DTypeOf(static_cast<int32_t>(onnx_type)));
  }
  if (type.shape.rank() != 2) {
    return node.Fail("input is " + runtime::ToString(type) +
                     ", expected 2 dimensions");
  }
  Formula f(node);
  f.Answer(f.Cast(DiagonalMask(f, "Equal", type.shape[0], type.shape[1],
                               ClampDiagonal(f, f.I64(diagonal))),
                  dtype));
  return f.Done();
}

// `values` holds what stands for off and on.
Result<void> ImportOneHot(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -1));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, shape.rank() + 1, "axis"));
  Formula f(node);
  BITTERN_TRY_ASSIGN(const ValueId wide_depth,
                     node.CastTo(node.Input(1), DType::kI64));
  BITTERN_TRY_ASSIGN(const bool known, node.Known(wide_depth));
  if (node.ShapeOf(wide_depth).rank() > 1 ||
      node.ShapeOf(wide_depth).Elements() != 1 ||
      (known && node.graph().I64(wide_depth)[0] < 1)) {
    return node.Fail("depth is not one positive number");
  }
  if (shape.rank() + 1 > runtime::kMaxRank ||
      node.ShapeOf(node.Input(2)) != Shape{2}) {
    return node.Fail("indices are " + runtime::ToString(shape) +
                     " and values " +
                     runtime::ToString(node.ShapeOf(node.Input(2))) +
                     ", expected at most 7 dimensions and [2]");
  }
  // Negative indices count from the end; those out of range match nothing.
  const ValueId indices = f.Cast(node.Input(0), DType::kI64);
  const ValueId depth = f.Reshape(wide_depth, {});
  const ValueId from_end = f.Add(indices, depth);
  const ValueId index = f.Unsqueeze(
      f.Where(f.Op("Less", {indices, f.I64(0)}), from_end, indices), {axis});
  std::vector<int64_t> along(shape.rank() + 1, 1);
  along[static_cast<size_t>(axis)] = -1;
  const ValueId places =
      f.Reshape(f.Op("Range", {f.I64(0), depth, f.I64(1)}), along);
  const ValueId off = f.Reshape(f.Slice(node.Input(2), 0, 0, 1), {});
  const ValueId on = f.Reshape(f.Slice(node.Input(2), 0, 1, 2), {});
  f.Answer(f.Where(f.Op("Equal", {places, index}), on, off));
  return f.Done();
}

Result<void> ImportNonZero(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN([[maybe_unused]] const bool known,
                     node.Known(node.Input(0)));
  Formula f(node);
  f.Answer(f.Transpose(f.NonZero(node.Input(0)), {1, 0}));
  return f.Done();
}

// The slices along the axis (of the flattened input, if none is given) where
// the condition holds.
Result<void> ImportCompress(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN([[maybe_unused]] const bool known,
                     node.Known(node.Input(1)));
  const Shape shape = node.ShapeOf(node.Input(0));
  Formula f(node);
  ValueId x = node.Input(0);
  int64_t axis = 0;
  if (node.Has("axis")) {
    BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", 0));
    BITTERN_TRY_ASSIGN(axis, node.NormaliseAxis(given, shape.rank(), "axis"));
  } else {
    x = f.Reshape(x, {shape.Elements()});
  }
  const ValueId kept = f.NonZero(node.Input(1));
  f.Answer(
      f.Op("Gather",
           {x, f.Op("Squeeze", {kept}, {{"axes", std::vector<int64_t>{1}}})},
           {{"axis", axis}}));
  return f.Done();
}

// Values, where each first stands, what each element of the input is, counts.
Result<void> ImportUnique(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN([[maybe_unused]] const bool known,
                     node.Known(node.Input(0)));
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const int64_t sorted, node.Int("sorted", 1));
  BITTERN_TRY_ASSIGN(int64_t axis, node.Int("axis", 0));
  AttributeMap attributes = {{"sorted", sorted}};
  Formula f(node);
  ValueId x = node.Input(0);
  if (node.Has("axis")) {
    BITTERN_TRY_ASSIGN(axis, node.NormaliseAxis(axis, shape.rank(), "axis"));
    attributes["axis"] = axis;
  } else {
    x = f.Reshape(x, {shape.Elements()});
  }
  const std::vector<ValueId> made = f.OpAll("Unique", {x}, attributes, 4);
  BITTERN_TRY(f.Done());
  const ValueId first = f.Head(made[0], made[3]);
  const ValueId answers[] = {f.Op("Gather", {x, first}, {{"axis", axis}}),
                             first, made[1], f.Head(made[2], made[3])};
  const size_t outputs = std::min(node.output_count(), std::size(answers));
  for (size_t i = 0; i < outputs; ++i) f.Answer(answers[i], i);
  return f.Done();
}

// The first `lengths[b]` steps of each sequence, backwards; the rest stays.
Result<void> ImportReverseSequence(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  const ValueId x = node.Input(0);
  const Shape shape = node.ShapeOf(x);
  BITTERN_TRY_ASSIGN(const int64_t batch, node.Int("batch_axis", 1));
  BITTERN_TRY_ASSIGN(const int64_t time, node.Int("time_axis", 0));
  const bool axes_fit = (batch == 0 && time == 1) || (batch == 1 && time == 0);
  if (!axes_fit || shape.rank() < 2 ||
      node.ShapeOf(node.Input(1)) != Shape{shape[static_cast<size_t>(batch)]}) {
    return node.Fail("input is " + runtime::ToString(shape) + " with lengths " +
                     runtime::ToString(node.ShapeOf(node.Input(1))) +
                     ", expected time and batch as axes 0 and 1 and a length "
                     "for each of the batch");
  }
  Formula f(node);
  std::vector<int64_t> across(shape.rank(), 1);
  across[static_cast<size_t>(batch)] = shape[static_cast<size_t>(batch)];
  const ValueId lengths = f.Reshape(f.Cast(node.Input(1), DType::kI64), across);
  const ValueId steps = f.Iota(shape[static_cast<size_t>(time)],
                               static_cast<size_t>(time), shape.rank());
  const ValueId turned = f.Sub(f.Sub(lengths, f.I64(1)), steps);
  const ValueId index = f.Where(f.Op("Less", {steps, lengths}), turned, steps);
  f.Answer(
      f.Op("GatherElements", {x, f.Expand(index, shape)}, {{"axis", time}}));
  return f.Done();
}

}  // namespace bittern::convert
