// Gathers and scatters by index tensors, and orders along an axis.
#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

struct Best {
  ValueId value = kNone, index = kNone;
};

// The largest or smallest element along `axis`, and where it is: i64, the first
// or last of equals, with the axis kept.
Best EmitBest(Formula& f, ValueId x, size_t axis, bool largest, bool last) {
  const int64_t size = f.ShapeOf(x)[axis];
  if (last) x = f.Slice(x, axis, -1, INT64_MIN, -1);
  const std::vector<ValueId> both =
      f.OpAll("TopK", {x},
              {{"axis", static_cast<int64_t>(axis)},
               {"k", int64_t{1}},
               {"largest", int64_t{largest}}},
              2);
  Best best{both[0], both[1]};
  if (last) best.index = f.Sub(f.I64(size - 1), best.index);
  return best;
}

// TopK runs on f32 and i64; other integers widen.
DType OrderedType(DType dtype) {
  return dtype == DType::kF32 ? DType::kF32 : DType::kI64;
}

}  // namespace

Result<void> ImportGatherElements(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", 0));
  BITTERN_TRY_ASSIGN(
      const int64_t axis,
      node.NormaliseAxis(given, node.ShapeOf(node.Input(0)).rank(), "axis"));
  return node.Answer("GatherElements", node.inputs(), {{"axis", axis}});
}

Result<void> ImportGatherNd(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const int64_t batch_dims, node.Int("batch_dims", 0));
  return node.Answer("GatherNd", node.inputs(), {{"batch_dims", batch_dims}});
}

// Writes `update` into a cache along an axis, from a place of its own for each
// sample on, past the end or around it.
Result<void> ImportTensorScatter(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 3));
  const Shape cache = node.ShapeOf(node.Input(0)),
              update = node.ShapeOf(node.Input(1));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -2));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, cache.rank(), "axis"));
  BITTERN_TRY_ASSIGN(const std::string mode, node.String("mode", "linear"));
  if (mode != "linear" && mode != "circular") {
    return node.Fail("mode is '" + mode.substr(0, 40) +
                     "', expected 'linear' or 'circular'");
  }
  const auto at = static_cast<size_t>(axis);
  Shape expected = cache;
  if (at < update.rank()) expected[at] = update[at];
  const ValueId starts = node.Input(2);
  if (axis == 0 || update != expected || update[at] > cache[at] ||
      (starts != kNone && node.ShapeOf(starts) != Shape{cache[0]})) {
    return node.Fail("writes " + runtime::ToString(update) + " into " +
                     runtime::ToString(cache) + " along axis " +
                     std::to_string(axis) +
                     ", expected an update that is as large or shorter there, "
                     "an axis after the first, and a start for each sample");
  }
  Formula f(node);
  ValueId index = f.Iota(update[at], at, cache.rank());
  if (starts != kNone) {
    std::vector<int64_t> along(cache.rank(), 1);
    along[0] = cache[0];
    index = f.Add(index, f.Reshape(f.Cast(starts, DType::kI64), along));
  }
  if (mode == "circular") index = f.Op("Mod", {index, f.I64(cache[at])});
  f.Answer(f.Op("ScatterElements",
                {node.Input(0), f.Expand(index, update), node.Input(1)},
                {{"axis", axis}}));
  return f.Done();
}

// ScatterElements, and Scatter as it was called before opset 11.
Result<void> ImportScatterElements(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", 0));
  BITTERN_TRY_ASSIGN(
      const int64_t axis,
      node.NormaliseAxis(given, node.ShapeOf(node.Input(0)).rank(), "axis"));
  BITTERN_TRY_ASSIGN(const std::string reduction,
                     node.String("reduction", "none"));
  return node.Answer("ScatterElements", node.inputs(),
                     {{"axis", axis}, {"reduction", reduction}});
}

Result<void> ImportScatterNd(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(3, 3));
  BITTERN_TRY_ASSIGN(const std::string reduction,
                     node.String("reduction", "none"));
  return node.Answer("ScatterNd", node.inputs(), {{"reduction", reduction}});
}

// Before opset 10 k is an attribute.
Result<void> ImportTopK(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 2));
  node.Ignore("sorted");  // sorted is one of the orders that 0 allows
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", -1));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, node.ShapeOf(x).rank(), "axis"));
  BITTERN_TRY_ASSIGN(const int64_t largest, node.Int("largest", 1));
  BITTERN_TRY_ASSIGN(int64_t k, node.Int("k", -1));
  bool known = true;
  if (node.Input(1) != kNone) {
    BITTERN_TRY_ASSIGN(known, node.Known(node.Input(1)));
  }
  if (known && node.Input(1) != kNone) {
    BITTERN_TRY_ASSIGN(const std::vector<int64_t> list,
                       node.ConstantInts(node.Input(1), "k"));
    if (list.size() != 1) {
      return node.Fail("k has " + std::to_string(list.size()) +
                       " values, expected one");
    }
    k = list[0];
  }
  const DType dtype = node.TypeOf(x).dtype;
  Formula f(node);
  std::vector<ValueId> inputs = {f.Cast(x, OrderedType(dtype))};
  AttributeMap attributes = {{"axis", axis},
                             {"largest", int64_t{largest != 0}}};
  if (known) {
    attributes.emplace("k", k);
  } else {
    BITTERN_TRY_ASSIGN(const ValueId count,
                       node.RunTimeInts(node.Input(1), "k"));
    inputs.push_back(count);
  }
  const std::vector<ValueId> both =
      f.OpAll("TopK", inputs, std::move(attributes), 2);
  f.Answer(f.Cast(both[0], dtype));
  if (node.output_count() > 1) f.Answer(both[1], 1);
  return f.Done();
}

// ArgMax and ArgMin.
Result<void> ImportArgBest(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", 0));
  BITTERN_TRY_ASSIGN(const int64_t axis,
                     node.NormaliseAxis(given, node.ShapeOf(x).rank(), "axis"));
  BITTERN_TRY_ASSIGN(const int64_t keepdims, node.Int("keepdims", 1));
  BITTERN_TRY_ASSIGN(const int64_t last, node.Int("select_last_index", 0));
  Formula f(node);
  const Best best =
      EmitBest(f, f.Cast(x, OrderedType(node.TypeOf(x).dtype)),
               static_cast<size_t>(axis), node.op() == "ArgMax", last != 0);
  f.Answer(keepdims != 0 ? best.index
                         : f.Op("Squeeze", {best.index},
                                {{"axes", std::vector<int64_t>{axis}}}));
  return f.Done();
}

// 1 at the first largest element along the axis (before opset 13: of all
// dimensions from the axis on), 0 elsewhere.
Result<void> ImportHardmax(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const bool flattens = node.opset() < 13;
  const Shape shape = node.ShapeOf(node.Input(0));
  BITTERN_TRY_ASSIGN(const int64_t given, node.Int("axis", flattens ? 1 : -1));
  BITTERN_TRY_ASSIGN(const int64_t normalised,
                     node.NormaliseAxis(given, shape.rank(), "axis"));
  Formula f(node);
  ValueId x = node.Input(0);
  auto axis = static_cast<size_t>(normalised);
  if (flattens) {
    x = f.Op("Flatten", {x}, {{"axis", normalised}});
    axis = 1;
  }
  const ValueId index = EmitBest(f, x, axis, true, false).index;
  const Shape matrix = f.ShapeOf(x);
  const ValueId places = f.Iota(matrix[axis], axis, matrix.rank());
  const ValueId ones = f.Cast(f.Op("Equal", {places, index}), DType::kF32);
  f.Answer(flattens ? f.ReshapeTo(ones, shape) : ones);
  return f.Done();
}

}  // namespace bittern::convert
