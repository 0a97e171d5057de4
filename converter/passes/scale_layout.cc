// The axes along which parameters vary decide: none, the last (or the heads
// in front of it), or any but the last.
#include "converter/passes/scale_layout.h"

#include <algorithm>
#include <array>

namespace bittern::convert {
namespace {

using Axes = std::array<bool, runtime::kMaxRank>;

// Sets the axes of x along which constant `id` has different values; false if
// it does not broadcast to x.
bool AddAxes(const Graph& graph, ValueId id, const Shape& x, Axes& axes) {
  const std::vector<float> values = graph.F32(id);
  const std::optional<Shape> shape = StaticShape(graph, id);
  if (values.empty() || !shape || shape->rank() > x.rank()) return false;
  const size_t lead = x.rank() - shape->rank();
  for (size_t i = 0; i < shape->rank(); ++i) {
    if ((*shape)[i] != 1 && (*shape)[i] != x[lead + i]) return false;
  }
  if (std::all_of(values.begin(), values.end(),
                  [&values](float v) { return v == values[0]; })) {
    return true;
  }
  for (size_t i = 0; i < shape->rank(); ++i) {
    if ((*shape)[i] != 1) axes[lead + i] = true;
  }
  return true;
}

// The same for a value made at run time. One for the only row of x, kept in
// x's rank, is a row's: the batch may be opened to more.
bool AddRunTime(const Graph& graph, ValueId id, const Shape& x, Axes& axes) {
  const std::optional<Shape> shape = StaticShape(graph, id);
  if (!shape || graph.value(id).type->dtype != runtime::DType::kF32) {
    return false;
  }
  const bool rows = shape->rank() == x.rank() && shape->Last() == 1 &&
                    shape->Elements() == x.Leading() && x.rank() > 1;
  if (!rows) return shape->Elements() == 1;
  for (size_t i = 0; i + 1 < x.rank(); ++i) axes[i] = true;
  return true;
}

// Element of a constant of shape `own` at the place `index` of x.
size_t OffsetOf(const Shape& own, const Shape& x,
                const std::array<int64_t, runtime::kMaxRank>& index) {
  const size_t lead = x.rank() - own.rank();
  int64_t offset = 0;
  for (size_t i = 0; i < own.rank(); ++i) {
    offset = offset * own[i] + (own[i] == 1 ? 0 : index[lead + i]);
  }
  return static_cast<size_t>(offset);
}

}  // namespace

std::optional<ScaleLayout> FindScaleLayout(
    const Graph& graph, ValueId x, const std::vector<ValueId>& parameters) {
  const Shape shape = *StaticShape(graph, x);
  const size_t rank = shape.rank();
  if (rank == 0 || shape.Elements() == 0) return std::nullopt;
  Axes axes{};
  bool run_time = false;
  for (ValueId id : parameters) {
    if (id == kNone) continue;
    const bool constant = graph.IsConstant(id);
    run_time = run_time || !constant;
    if (!(constant ? AddAxes(graph, id, shape, axes)
                   : AddRunTime(graph, id, shape, axes))) {
      return std::nullopt;
    }
  }
  ScaleLayout result{"tensor", LayoutOf(graph, x), false};
  const bool heads = result.layout.group > 0;
  const auto varies = [&axes](size_t first, size_t last) {
    return std::any_of(axes.begin() + static_cast<ptrdiff_t>(first),
                       axes.begin() + static_cast<ptrdiff_t>(last),
                       [](bool v) { return v; });
  };
  const size_t columns = heads ? rank - 2 : rank - 1;
  if (!varies(0, rank)) {
    result.flattened = heads;
  } else if (!varies(0, columns)) {
    result.per = "column";
    result.flattened = heads;
    if (run_time) return std::nullopt;
  } else if (!axes[rank - 1]) {
    result.per = "row";
  } else {
    return std::nullopt;
  }
  return result;
}

std::vector<float> SpreadValues(const Graph& graph, ValueId id,
                                const ScaleLayout& layout, float fallback) {
  const Shape& x = layout.layout.shape;
  int64_t count = 1;
  if (layout.per == "column") {
    count = layout.flattened ? layout.layout.flat.Last() : x.Last();
  } else if (layout.per == "row") {
    count = x.Leading();
  }
  std::vector<float> spread(static_cast<size_t>(count), fallback);
  if (id == kNone) return spread;
  const std::vector<float> values = graph.F32(id);
  const Shape own = *StaticShape(graph, id);
  const bool rows = layout.per == "row";
  for (size_t i = 0; i < spread.size(); ++i) {
    std::array<int64_t, runtime::kMaxRank> index{};
    auto rest = static_cast<int64_t>(i);
    for (size_t axis = rows ? x.rank() - 1 : x.rank(); axis-- > 0;) {
      index[axis] = rest % x[axis];
      rest /= x[axis];
    }
    spread[i] = values[OffsetOf(own, x, index)];
  }
  return spread;
}

Result<ValueId> SpreadRunTime(Graph& graph, ValueId id,
                              const ScaleLayout& layout) {
  const std::string name = graph.value(id).name;
  Shape target{1};
  if (layout.per == "row") {
    target = layout.layout.shape;
    target[target.rank() - 1] = 1;
  }
  const Shape own = *StaticShape(graph, id);
  if (own == target) return id;
  if (own.Elements() == target.Elements()) {
    return EmitReshape(graph, name, id, target, name + ".spread");
  }
  const std::vector<int64_t> dims(target.dims().begin(), target.dims().end());
  const ValueId shape =
      graph.AddI64(name + ".shape", {static_cast<int64_t>(dims.size())}, dims);
  BITTERN_TRY_ASSIGN(const ValueId one,
                     EmitReshape(graph, name, id, {1}, name + ".one"));
  return Emit(graph, "Expand", name, {one, shape}, {}, name + ".spread");
}

}  // namespace bittern::convert
