// Operators that change or report shapes but move no data.
#include <algorithm>

#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

Shape VectorShape(size_t count) { return {static_cast<int64_t>(count)}; }

// A list of sizes; where the file's own constant is i64 it is kept.
Result<ValueId> SizesInput(OnnxNode& node, size_t input, const char* what) {
  const ValueId id = node.Input(input);
  BITTERN_TRY_ASSIGN(const bool known, node.Known(id));
  if (!known) return node.RunTimeInts(id, what);
  BITTERN_TRY_ASSIGN(const std::vector<int64_t> sizes,
                     node.ConstantInts(id, what));
  if (node.ShapeOf(id).rank() > 1 || sizes.size() > runtime::kMaxRank) {
    return node.FailUnsupported(
        std::string(what) + " has type " + runtime::ToString(node.TypeOf(id)) +
        ", expected a list of at most " + std::to_string(runtime::kMaxRank));
  }
  if (node.TypeOf(id).dtype == DType::kI64 && node.ShapeOf(id).rank() == 1) {
    return id;
  }
  return node.graph().AddI64(node.graph().value(id).name + "/i64",
                             VectorShape(sizes.size()), sizes);
}

}  // namespace

Result<void> ImportIdentity(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  node.AnswerWith(node.Input(0));
  return {};
}

Result<void> ImportDropout(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 3));
  node.Ignore("ratio");
  node.Ignore("seed");
  node.Ignore("is_test");          // before opset 7
  node.Ignore("consumed_inputs");  // before opset 6
  if (node.Input(2) != kNone) {
    const ValueId mode = node.Input(2);
    const Value& value = node.graph().value(mode);
    const bool off =
        value.constant != nullptr && value.type->dtype == DType::kBool &&
        value.type->shape.Elements() == 1 && *value.constant->data() == 0;
    if (!off) {
      return node.FailUnsupported("training_mode is on or not a constant");
    }
  }
  node.AnswerWith(node.Input(0));
  if (!node.WantsOutput(1)) return {};
  // The mask keeps everything.
  BITTERN_TRY_ASSIGN(const ValueId equal,
                     node.Emit("Equal", {node.Input(0), node.Input(0)}));
  BITTERN_TRY_ASSIGN(const ValueId different, node.Emit("Not", {equal}));
  BITTERN_TRY_ASSIGN(const ValueId mask, node.Emit("Or", {equal, different}));
  node.AnswerWith(mask, 1);
  return {};
}

Result<void> ImportReshape(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const int64_t allow_zero, node.Int("allowzero", 0));
  BITTERN_TRY_ASSIGN(const ValueId shape, SizesInput(node, 1, "shape"));
  AttributeMap attributes;
  if (allow_zero != 0) attributes.emplace("allowzero", int64_t{1});
  return node.Answer("Reshape", {node.Input(0), shape}, std::move(attributes));
}

Result<void> ImportFlatten(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(int64_t axis, node.Int("axis", 1));
  const auto rank = static_cast<int64_t>(node.ShapeOf(node.Input(0)).rank());
  if (axis < -rank || axis > rank) {
    return node.Fail("axis is " + std::to_string(axis) + ", expected -" +
                     std::to_string(rank) + " to " + std::to_string(rank));
  }
  if (axis < 0) axis += rank;
  return node.Answer("Flatten", {node.Input(0)}, {{"axis", axis}});
}

Result<void> ImportSqueeze(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> axes,
                     node.Axes(1, shape.rank()));
  if (!axes && !shape.IsStatic()) {
    return node.FailUnsupported("lacks axes for an input of " +
                                runtime::ToString(shape) +
                                ", expected them where the run decides sizes");
  }
  if (!axes) {
    axes.emplace();
    for (size_t i = 0; i < shape.rank(); ++i) {
      if (shape[i] == 1) axes->push_back(static_cast<int64_t>(i));
    }
  }
  return node.Answer("Squeeze", {node.Input(0)}, {{"axes", *axes}});
}

Result<void> ImportUnsqueeze(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  // Axes count in the result, whose rank depends on how many there are.
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> axes,
                     node.IntsOrInput("axes", 1));
  if (!axes) return node.Fail("lacks axes, expected an attribute or input");
  if (axes->size() > runtime::kMaxRank - rank) {
    return node.FailUnsupported(
        "the result would have " + std::to_string(rank + axes->size()) +
        " dimensions, expected at most " + std::to_string(runtime::kMaxRank));
  }
  BITTERN_TRY_ASSIGN(axes, node.Axes(1, rank + axes->size()));
  return node.Answer("Unsqueeze", {node.Input(0)}, {{"axes", *axes}});
}

// A constant, unless the run decides a size. Start and end
// (opset 15) clamp, as in a slice.
Result<void> ImportShape(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const Shape shape = node.ShapeOf(node.Input(0));
  const auto rank = static_cast<int64_t>(shape.rank());
  BITTERN_TRY_ASSIGN(int64_t start, node.Int("start", 0));
  BITTERN_TRY_ASSIGN(int64_t end, node.Int("end", rank));
  start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
  end = std::clamp<int64_t>(end < 0 ? end + rank : end, start, rank);
  if (!shape.IsStatic()) {
    return node.Answer("Shape", {node.Input(0)},
                       {{"start", start}, {"end", end}});
  }
  const std::vector<int64_t> dims(shape.dims().begin() + start,
                                  shape.dims().begin() + end);
  node.AnswerWith(
      node.graph().AddI64(node.OutputName(), VectorShape(dims.size()), dims));
  return {};
}

Result<void> ImportSize(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  node.AnswerWith(node.ScalarI64(node.ShapeOf(node.Input(0)).Elements()));
  return {};
}

Result<void> ImportExpand(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const ValueId shape, SizesInput(node, 1, "shape"));
  return node.Answer("Expand", {node.Input(0), shape});
}

Result<void> ImportTile(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const bool known, node.Known(node.Input(1)));
  if (!known) {
    BITTERN_TRY_ASSIGN(const ValueId counts,
                       node.RunTimeInts(node.Input(1), "repeats"));
    return node.Answer("Tile", {node.Input(0), counts});
  }
  BITTERN_TRY_ASSIGN(const std::vector<int64_t> repeats,
                     node.ConstantInts(node.Input(1), "repeats"));
  return node.Answer("Tile", {node.Input(0)}, {{"repeats", repeats}});
}

}  // namespace bittern::convert
