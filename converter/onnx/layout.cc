// Operators that move elements: transposes, joins, cuts, look-ups. Sizes and
// positions that ONNX gives as inputs become attributes.
#include <algorithm>
#include <numeric>

#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

// The sizes of Split when none are given: equal, or since opset 18 (with
// num_outputs) equal but for a smaller last one.
Result<std::vector<int64_t>> EqualSplit(OnnxNode& node, int64_t dim) {
  const auto parts = static_cast<int64_t>(node.output_count());
  BITTERN_TRY_ASSIGN(const int64_t declared, node.Int("num_outputs", parts));
  if (declared != parts) {
    return node.Fail("num_outputs is " + std::to_string(declared) +
                     ", expected the number of outputs, " +
                     std::to_string(parts));
  }
  if (!node.Has("num_outputs") && dim % parts != 0) {
    return node.Fail("cannot split a dimension of " + std::to_string(dim) +
                     " into " + std::to_string(parts) + " equal parts");
  }
  const int64_t chunk = (dim + parts - 1) / parts;
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < parts; ++i) {
    sizes.push_back(std::clamp<int64_t>(dim - i * chunk, 0, chunk));
  }
  return sizes;
}

// [N, C, H, W] -> Reshape -> Transpose -> Reshape.
Result<void> AnswerRearranged(OnnxNode& node, const std::vector<int64_t>& split,
                              const std::vector<int64_t>& perm,
                              const std::vector<int64_t>& joined) {
  const auto shape = [&node](const std::vector<int64_t>& dims) {
    return node.graph().AddI64(node.OutputName() + "/shape",
                               {static_cast<int64_t>(dims.size())}, dims);
  };
  BITTERN_TRY_ASSIGN(const ValueId parts,
                     node.Emit("Reshape", {node.Input(0), shape(split)}));
  BITTERN_TRY_ASSIGN(const ValueId moved,
                     node.Emit("Transpose", {parts}, {{"perm", perm}}));
  return node.Answer("Reshape", {moved, shape(joined)});
}

Result<Shape> FourDimensions(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const Shape shape = node.ShapeOf(node.Input(0));
  if (shape.rank() == 4) return shape;
  return node.Fail("input is " + runtime::ToString(node.TypeOf(node.Input(0))) +
                   ", expected 4 dimensions");
}

}  // namespace

Result<void> ImportTranspose(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> perm,
                     node.Ints("perm"));
  if (!perm) {
    perm.emplace(rank);
    std::iota(perm->rbegin(), perm->rend(), int64_t{0});
  }
  return node.Answer("Transpose", {node.Input(0)}, {{"perm", *perm}});
}

Result<void> ImportConcat(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, SIZE_MAX));
  BITTERN_TRY_ASSIGN(const int64_t axis, node.Int("axis", 1));
  for (size_t i = 0; i < node.input_count(); ++i) {
    if (node.Input(i) == kNone) return node.Fail("an input is absent");
  }
  BITTERN_TRY_ASSIGN(
      const int64_t normalised,
      node.NormaliseAxis(axis, node.ShapeOf(node.Input(0)).rank(), "axis"));
  return node.Answer("Concat", node.inputs(), {{"axis", normalised}});
}

Result<void> ImportSplit(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(int64_t axis, node.Int("axis", 0));
  BITTERN_TRY_ASSIGN(axis, node.NormaliseAxis(axis, shape.rank(), "axis"));
  if (node.Input(1) != kNone) {
    BITTERN_TRY_ASSIGN(const bool known, node.Known(node.Input(1)));
    if (!known) {
      BITTERN_TRY_ASSIGN(const ValueId by_run,
                         node.RunTimeInts(node.Input(1), "split"));
      return node.AnswerAll("Split", {node.Input(0), by_run}, {{"axis", axis}});
    }
  }
  BITTERN_TRY_ASSIGN(std::optional<std::vector<int64_t>> sizes,
                     node.IntsOrInput("split", 1));
  if (!sizes) {
    BITTERN_TRY_ASSIGN(sizes,
                       EqualSplit(node, shape[static_cast<size_t>(axis)]));
  }
  return node.AnswerAll("Split", {node.Input(0)},
                        {{"axis", axis}, {"sizes", *sizes}});
}

namespace {

// Starts, ends or steps that the run computes become inputs; axes do not.
Result<void> SliceByRun(OnnxNode& node) {
  std::vector<ValueId> inputs = {node.Input(0), kNone, kNone, kNone};
  AttributeMap attributes;
  constexpr const char* kNames[] = {"starts", "ends", "axes", "steps"};
  const Shape count = node.ShapeOf(node.Input(1));
  std::vector<int64_t> axes(static_cast<size_t>(count.Elements()));
  std::iota(axes.begin(), axes.end(), int64_t{0});
  for (size_t i = 1; i <= 4; ++i) {
    const ValueId id = node.Input(i);
    if (id == kNone) continue;
    BITTERN_TRY_ASSIGN(const bool known, node.Known(id));
    if (!known && i != 3) {
      BITTERN_TRY_ASSIGN(inputs[i == 4 ? 3 : i],
                         node.RunTimeInts(id, kNames[i - 1]));
      continue;
    }
    BITTERN_TRY_ASSIGN(const std::vector<int64_t> list,
                       node.ConstantInts(id, kNames[i - 1]));
    if (i == 3) axes = list;
    attributes[kNames[i - 1]] = list;
  }
  for (int64_t& axis : axes) {
    BITTERN_TRY_ASSIGN(
        axis, node.NormaliseAxis(axis, node.ShapeOf(node.Input(0)).rank(),
                                 "an axis"));
  }
  attributes["axes"] = axes;
  return node.Answer("Slice", inputs, std::move(attributes));
}

}  // namespace

Result<void> ImportSlice(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 5));
  for (const size_t i : {size_t{1}, size_t{2}, size_t{4}}) {
    if (node.Input(i) == kNone) continue;
    BITTERN_TRY_ASSIGN(const bool known, node.Known(node.Input(i)));
    const bool whole = node.Input(1) != kNone && node.Input(2) != kNone &&
                       node.ShapeOf(node.Input(1)).IsStatic();
    if (!known && whole) return SliceByRun(node);
  }
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  using List = std::optional<std::vector<int64_t>>;
  BITTERN_TRY_ASSIGN(const List starts, node.IntsOrInput("starts", 1));
  BITTERN_TRY_ASSIGN(const List ends, node.IntsOrInput("ends", 2));
  BITTERN_TRY_ASSIGN(List axes, node.IntsOrInput("axes", 3));
  BITTERN_TRY_ASSIGN(List steps, node.IntsOrInput("steps", 4));
  if (!starts || !ends) return node.Fail("lacks starts or ends");
  if (!axes) {
    axes.emplace(starts->size());
    std::iota(axes->begin(), axes->end(), int64_t{0});
  }
  if (!steps) steps.emplace(starts->size(), int64_t{1});
  const size_t count = starts->size();
  if (ends->size() != count || axes->size() != count ||
      steps->size() != count) {
    return node.Fail(
        "starts, ends, axes and steps have " + std::to_string(count) + ", " +
        std::to_string(ends->size()) + ", " + std::to_string(axes->size()) +
        " and " + std::to_string(steps->size()) +
        " values, expected as many of each");
  }
  for (int64_t& axis : *axes) {
    BITTERN_TRY_ASSIGN(axis, node.NormaliseAxis(axis, rank, "an axis"));
  }
  return node.Answer("Slice", {node.Input(0)},
                     {{"starts", *starts},
                      {"ends", *ends},
                      {"axes", *axes},
                      {"steps", *steps}});
}

Result<void> ImportGather(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const int64_t axis, node.Int("axis", 0));
  BITTERN_TRY_ASSIGN(
      const int64_t normalised,
      node.NormaliseAxis(axis, node.ShapeOf(node.Input(0)).rank(), "axis"));
  return node.Answer("Gather", node.inputs(), {{"axis", normalised}});
}

Result<void> ImportDepthToSpace(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const Shape s, FourDimensions(node));
  BITTERN_TRY_ASSIGN(const int64_t b, node.Int("blocksize", 0));
  BITTERN_TRY_ASSIGN(const std::string mode, node.String("mode", "DCR"));
  // Bounded before it is squared.
  if (b < 1 || b > s[1] || s[1] % (b * b) != 0) {
    return node.Fail("blocksize is " + std::to_string(b) + " for " +
                     std::to_string(s[1]) +
                     " channels, expected one whose square divides them");
  }
  const int64_t depth = s[1] / (b * b);
  const std::vector<int64_t> joined = {s[0], depth, s[2] * b, s[3] * b};
  if (mode == "CRD") {
    return AnswerRearranged(node, {s[0], depth, b, b, s[2], s[3]},
                            {0, 1, 4, 2, 5, 3}, joined);
  }
  if (mode != "DCR") {
    return node.Fail("mode is '" + mode.substr(0, 40) +
                     "', expected 'DCR' or 'CRD'");
  }
  return AnswerRearranged(node, {s[0], b, b, depth, s[2], s[3]},
                          {0, 3, 4, 1, 5, 2}, joined);
}

Result<void> ImportSpaceToDepth(OnnxNode& node) {
  BITTERN_TRY_ASSIGN(const Shape s, FourDimensions(node));
  BITTERN_TRY_ASSIGN(const int64_t b, node.Int("blocksize", 0));
  if (b < 1 || s[2] % b != 0 || s[3] % b != 0) {
    return node.Fail("blocksize is " + std::to_string(b) +
                     ", expected a divisor of height and width");
  }
  return AnswerRearranged(node, {s[0], s[1], s[2] / b, b, s[3] / b, b},
                          {0, 3, 5, 1, 2, 4},
                          {s[0], s[1] * b * b, s[2] / b, s[3] / b});
}

}  // namespace bittern::convert
