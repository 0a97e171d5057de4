// A sign with a level for each column, in floats,
//   x -> Div a -> Add z -> Sign -> Sub z -> Mul a,
// Bi-ViT's patch merging, becomes codes and their levels in two passes over the
// tensor instead of five: Quantize, which may take a LayerNorm too, and
// Dequantize. sign(t) = clip(round(t * 2^100), -1, 1): scaling by a power of
// two is exact, |t| <= 2^-101 counts as 0. No sum with a shift z is as small
// unless it is 0; where z is 0, only an x of less than 2^-101 |a| is.
#include <algorithm>
#include <cmath>

#include "converter/passes/affine_sign.h"
#include "converter/passes/passes.h"

namespace bittern::convert {
namespace {

// Of a and z, so that all constants stay normal and finite, and sums of z are
// multiples of 2^-44.
constexpr int kShift = 100;
constexpr float kLeast = 0x1p-20f, kGreatest = 0x1p20f;

bool InRange(const std::vector<float>& values, bool zero_allowed) {
  return std::all_of(values.begin(), values.end(), [&](float value) {
    const float magnitude = std::fabs(value);
    return (zero_allowed && value == 0) ||
           (magnitude >= kLeast && magnitude <= kGreatest);
  });
}

std::vector<float> Scaled(std::vector<float> values, int exponent) {
  for (float& value : values) value = std::ldexp(value, exponent);
  return values;
}

// What the sign around `id` takes from its constants: a and z of the columns;
// empty lists if it is another sign.
struct Columns {
  std::vector<float> a, z;
};

Columns ColumnsOf(const Graph& graph, const AffineSign& sign) {
  if (sign.a == kNone || sign.z == kNone || sign.level_a == kNone ||
      sign.level_z == kNone) {
    return {};
  }
  const auto shape = StaticShape(graph, sign.input);
  if (!shape || shape->rank() == 0) return {};
  const auto of = [&](ValueId id) {
    return AlongAxis(graph, id, *shape, shape->rank() - 1);
  };
  const auto a = of(sign.a), z = of(sign.z);
  if (!a || !z || of(sign.level_a) != a || of(sign.level_z) != z ||
      !InRange(*a, false) || !InRange(*z, true) ||
      StaticShape(graph, graph.node(sign.last).outputs[0]) != shape) {
    return {};
  }
  return {*a, *z};
}

Result<void> Visit(Graph& graph, NodeId id) {
  const AffineSign sign = MatchAffineSign(graph, id);
  const Columns columns = ColumnsOf(graph, sign);
  if (columns.a.empty()) return {};
  const std::string name = graph.node(id).name;
  const ValueId scale =
      AddVector(graph, name + ".scale", Scaled(columns.a, -kShift));
  const ValueId zero =
      AddVector(graph, name + ".zero", Scaled(columns.z, kShift));
  const std::string column = "column";
  BITTERN_TRY_ASSIGN(
      const ValueId codes,
      Emit(graph, "Quantize", name, {sign.input, scale, zero},
           {{"per", column}, {"lo", int64_t{-1}}, {"hi", int64_t{1}}},
           graph.value(graph.node(id).outputs[0]).name));
  const ValueId a = AddVector(graph, name + ".level", columns.a),
                z = AddVector(graph, name + ".shift", columns.z);
  return Rewrite(graph, sign.last, "Dequantize", {codes, a, z},
                 {{"per", column}});
}

}  // namespace

Result<void> QuantiseSignLevels(Graph& graph, PassContext&) {
  return ForEachNode(graph, "Sign",
                     [&graph](NodeId id) { return Visit(graph, id); });
}

}  // namespace bittern::convert
