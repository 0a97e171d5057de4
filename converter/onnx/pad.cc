// Padding. The runtime pads with a constant; the other modes are slices of the
// input joined to it, one axis after the other, and negative pads are a slice.
#include <algorithm>
#include <numeric>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

// Larger pads mean nothing and would overflow sums.
constexpr int64_t kMaxPad = int64_t{1} << 31;

using Pads = std::vector<int64_t>;  // all begins, then all ends

AttributeMap SliceOf(size_t axis, int64_t start, int64_t end, int64_t step) {
  return {{"axes", std::vector<int64_t>{static_cast<int64_t>(axis)}},
          {"starts", std::vector<int64_t>{start}},
          {"ends", std::vector<int64_t>{end}},
          {"steps", std::vector<int64_t>{step}}};
}

// pads of opset 2 (attribute), 11 (input) or 18 (with axes), for all axes.
Result<Pads> ReadPads(OnnxNode& node, size_t rank) {
  BITTERN_TRY_ASSIGN(const std::optional<std::vector<int64_t>> given,
                     node.IntsOrInput("pads", 1));
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (node.Input(3) != kNone) {
    BITTERN_TRY_ASSIGN(axes, node.ConstantInts(node.Input(3), "axes"));
  }
  if (!given || given->size() != 2 * axes.size()) {
    return node.Fail("pads has " + std::to_string(given ? given->size() : 0) +
                     " values, expected " + std::to_string(2 * axes.size()));
  }
  Pads pads(2 * rank, 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    BITTERN_TRY_ASSIGN(const int64_t axis,
                       node.NormaliseAxis(axes[i], rank, "an axis"));
    pads[static_cast<size_t>(axis)] = (*given)[i];
    pads[static_cast<size_t>(axis) + rank] = (*given)[i + axes.size()];
  }
  for (int64_t pad : pads) {
    if (pad >= -kMaxPad && pad <= kMaxPad) continue;
    return node.Fail("pads has " + std::to_string(pad) + ", expected at most " +
                     std::to_string(kMaxPad));
  }
  return pads;
}

// Cuts what negative pads take away and makes them 0.
Result<ValueId> Crop(OnnxNode& node, ValueId x, Pads* pads) {
  const Shape shape = node.ShapeOf(x);
  for (size_t axis = 0; axis < shape.rank(); ++axis) {
    int64_t& before = (*pads)[axis];
    int64_t& after = (*pads)[axis + shape.rank()];
    if (before >= 0 && after >= 0) continue;
    const int64_t start = std::min(std::max<int64_t>(-before, 0), shape[axis]);
    const int64_t end =
        std::max(shape[axis] + std::min<int64_t>(after, 0), start);
    BITTERN_TRY_ASSIGN(x,
                       node.Emit("Slice", {x}, SliceOf(axis, start, end, 1)));
    before = std::max<int64_t>(before, 0);
    after = std::max<int64_t>(after, 0);
  }
  return x;
}

// `count` copies of the slice [at, at + 1).
Result<ValueId> Repeated(OnnxNode& node, ValueId x, size_t axis, int64_t at,
                         int64_t count) {
  BITTERN_TRY_ASSIGN(const ValueId slice,
                     node.Emit("Slice", {x}, SliceOf(axis, at, at + 1, 1)));
  std::vector<int64_t> repeats(node.ShapeOf(x).rank(), 1);
  repeats[axis] = count;
  return node.Emit("Tile", {slice}, {{"repeats", repeats}});
}

// The `count` elements beside the first (or last) one, mirrored.
Result<ValueId> Mirrored(OnnxNode& node, ValueId x, size_t axis, bool front,
                         int64_t count) {
  const int64_t size = node.ShapeOf(x)[axis];
  if (count >= size) {
    return node.Fail("cannot reflect " + std::to_string(count) +
                     " elements of a dimension of " + std::to_string(size));
  }
  if (front) return node.Emit("Slice", {x}, SliceOf(axis, count, 0, -1));
  const int64_t end = size - 2 - count;
  // -1 would mean the last element; one before the first is below -size.
  return node.Emit("Slice", {x},
                   SliceOf(axis, size - 2, end < 0 ? -size - 1 : end, -1));
}

// The `count` elements that come before (or after) where the tensor goes on
// from its other end.
Result<ValueId> Wrapped(OnnxNode& node, ValueId x, size_t axis, bool front,
                        int64_t count) {
  const int64_t size = node.ShapeOf(x)[axis];
  if (count > size) {
    return node.FailUnsupported(
        "wraps " + std::to_string(count) + " elements of a dimension of " +
        std::to_string(size) + ", expected at most " + std::to_string(size));
  }
  return node.Emit("Slice", {x},
                   front ? SliceOf(axis, size - count, size, 1)
                         : SliceOf(axis, 0, count, 1));
}

Result<void> AnswerJoined(OnnxNode& node, ValueId x, const Pads& pads,
                          const std::string& mode) {
  const size_t rank = node.ShapeOf(x).rank();
  const auto side = [&](ValueId from, size_t axis, bool front,
                        int64_t count) -> Result<ValueId> {
    if (mode == "reflect") return Mirrored(node, from, axis, front, count);
    if (mode == "wrap") return Wrapped(node, from, axis, front, count);
    const int64_t at = front ? 0 : node.ShapeOf(from)[axis] - 1;
    return Repeated(node, from, axis, at, count);
  };
  for (size_t axis = 0; axis < rank; ++axis) {
    if (pads[axis] == 0 && pads[axis + rank] == 0) continue;
    std::vector<ValueId> parts = {x};
    if (pads[axis] > 0) {
      BITTERN_TRY_ASSIGN(const ValueId front, side(x, axis, true, pads[axis]));
      parts.insert(parts.begin(), front);
    }
    if (pads[axis + rank] > 0) {
      BITTERN_TRY_ASSIGN(const ValueId back,
                         side(x, axis, false, pads[axis + rank]));
      parts.push_back(back);
    }
    BITTERN_TRY_ASSIGN(
        x, node.Emit("Concat", parts, {{"axis", static_cast<int64_t>(axis)}}));
  }
  node.AnswerWith(x);
  return {};
}

Result<void> CheckMode(OnnxNode& node, const std::string& mode) {
  if (mode == "constant" || mode == "edge" || mode == "reflect" ||
      mode == "wrap")
    return {};
  return node.FailUnsupported("mode is '" + mode.substr(0, 40) +
                              "', expected 'constant', 'edge', 'reflect' or "
                              "'wrap'");
}

// The elements of the input, of `size`, that stand at places `at`, which may
// lie outside of it.
ValueId Folded(Formula& f, const std::string& mode, ValueId at, int64_t size) {
  if (mode == "wrap") return f.Op("Mod", {at, f.I64(size)});
  if (mode == "reflect" && size > 1) {
    const ValueId period = f.I64(2 * (size - 1));
    const ValueId turned = f.Op("Mod", {at, period});
    return f.Op("Min", {turned, f.Sub(period, turned)});
  }
  return f.Op("Min", {f.Op("Max", {at, f.I64(0)}), f.I64(size - 1)});
}

// Pads that the run computes, of either sign: a Gather along each axis.
Result<void> PadByRun(OnnxNode& node, const std::string& mode) {
  const Shape shape = node.ShapeOf(node.Input(0));
  std::vector<int64_t> axes(shape.rank());
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (node.Input(3) != kNone) {
    BITTERN_TRY_ASSIGN(axes, node.ConstantInts(node.Input(3), "axes"));
  }
  BITTERN_TRY_ASSIGN(const ValueId pads,
                     node.RunTimeInts(node.Input(1), "pads"));
  const auto count = static_cast<int64_t>(axes.size());
  if (node.ShapeOf(pads) != Shape{2 * count}) {
    return node.Fail("pads are " + runtime::ToString(node.ShapeOf(pads)) +
                     ", expected [" + std::to_string(2 * count) + "]");
  }
  Formula f(node);
  ValueId x = node.Input(0);
  const ValueId value =
      f.Cast(node.Input(2) == kNone ? f.F32(0) : f.Reshape(node.Input(2), {}),
             node.TypeOf(x).dtype);
  for (int64_t i = 0; i < count; ++i) {
    BITTERN_TRY_ASSIGN(const int64_t axis,
                       node.NormaliseAxis(axes[static_cast<size_t>(i)],
                                          shape.rank(), "an axis"));
    const int64_t size = shape[static_cast<size_t>(axis)];
    if (size < 1) return node.Fail("pads a dimension of 0, expected more");
    const auto pad = [&](int64_t at) {
      return f.Reshape(f.Slice(pads, 0, at, at + 1), {});
    };
    const ValueId at = f.Op(
        "Range",
        {f.Op("Neg", {pad(i)}), f.Add(pad(i + count), f.I64(size)), f.I64(1)});
    x = f.Op("Gather", {x, Folded(f, mode, at, size)}, {{"axis", axis}});
    if (mode != "constant") continue;
    std::vector<int64_t> along(shape.rank(), 1);
    along[static_cast<size_t>(axis)] = -1;
    const ValueId inside = f.Op("And", {f.Op("GreaterOrEqual", {at, f.I64(0)}),
                                        f.Op("Less", {at, f.I64(size)})});
    x = f.Where(f.Reshape(inside, along), x, value);
  }
  f.Answer(x);
  return f.Done();
}

}  // namespace

Result<void> ImportPad(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 4));
  BITTERN_TRY_ASSIGN(const std::string mode, node.String("mode", "constant"));
  BITTERN_TRY(CheckMode(node, mode));
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (node.Input(1) == kNone || node.Input(i) == kNone) continue;
    BITTERN_TRY_ASSIGN(const bool known, node.Known(node.Input(i)));
    if (!known) return PadByRun(node, mode);
  }
  BITTERN_TRY_ASSIGN(float value, node.Float("value", 0));
  BITTERN_TRY_ASSIGN(Pads pads,
                     ReadPads(node, node.ShapeOf(node.Input(0)).rank()));
  BITTERN_TRY_ASSIGN(const ValueId x, Crop(node, node.Input(0), &pads));
  if (mode != "constant") return AnswerJoined(node, x, pads, mode);
  if (node.Input(2) != kNone) {
    BITTERN_TRY_ASSIGN(const std::optional<float> constant,
                       node.ConstantScalar(node.Input(2)));
    if (!constant) {
      return node.FailUnsupported("the value is not one f32 constant");
    }
    value = *constant;
  }
  return node.Answer("Pad", {x}, {{"pads", pads}, {"value", value}});
}

// Half of what is too much or too little at the front, the rest at the back.
Result<void> ImportCenterCropPad(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  BITTERN_TRY_ASSIGN(const auto given, node.Ints("axes"));
  BITTERN_TRY_ASSIGN(const std::vector<int64_t> target,
                     node.ConstantInts(node.Input(1), "shape"));
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (given) axes = *given;
  if (axes.size() != target.size()) {
    return node.Fail("shape has " + std::to_string(target.size()) +
                     " values, expected " + std::to_string(axes.size()));
  }
  Formula f(node);
  ValueId x = node.Input(0);
  for (size_t i = 0; i < axes.size(); ++i) {
    BITTERN_TRY_ASSIGN(const int64_t axis,
                       node.NormaliseAxis(axes[i], rank, "an axis"));
    if (target[i] < 0 || target[i] > kMaxPad) {
      return node.Fail("shape has " + std::to_string(target[i]) +
                       ", expected 0 to " + std::to_string(kMaxPad));
    }
    const auto d = static_cast<size_t>(axis);
    const int64_t more = target[i] - f.ShapeOf(x)[d];
    const int64_t half = more / 2;  // towards 0
    if (more < 0) x = f.Slice(x, d, -half, -half + target[i]);
    if (more > 0) x = f.Pad(x, d, half, more - half, 0);
    BITTERN_TRY(f.Done());
  }
  f.Answer(x == node.Input(0) ? f.Op("Identity", {x}) : x);
  return f.Done();
}

}  // namespace bittern::convert
