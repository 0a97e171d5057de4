// Quantisers of QONNX, Brevitas and FINN as the arithmetic that defines them.
// Their domains are many (qonnx.custom_op.general, finn.custom_op.general,
// finn, onnx.brevitas): handlers.cc reads all as "qonnx".
#include <algorithm>
#include <cmath>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

std::string Upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// x rounded as `mode` says; kNone if there is no such mode.
ValueId EmitRounding(Formula& f, ValueId x, const std::string& mode) {
  if (mode == "ROUND" || mode == "HALF_EVEN") return f.Op("Round", {x});
  if (mode == "CEIL") return f.Op("Ceil", {x});
  if (mode == "FLOOR") return f.Op("Floor", {x});
  const ValueId magnitude = f.Op("Abs", {x});
  ValueId rounded = kNone;
  if (mode == "UP") {  // away from 0
    rounded = f.Op("Ceil", {magnitude});
  } else if (mode == "DOWN") {
    rounded = f.Op("Floor", {magnitude});
  } else if (mode == "HALF_UP") {
    rounded = f.Op("Floor", {f.Add(magnitude, f.F32(0.5f))});
  } else if (mode == "HALF_DOWN") {
    rounded = f.Op("Ceil", {f.Sub(magnitude, f.F32(0.5f))});
  } else {
    return kNone;
  }
  return f.Mul(f.Op("Sign", {x}), rounded);
}

Result<std::string> RoundingMode(OnnxNode& node, const char* fallback) {
  BITTERN_TRY_ASSIGN(const std::string given,
                     node.String("rounding_mode", fallback));
  const std::string mode = Upper(given);
  for (const char* known : {"ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN",
                            "HALF_UP", "HALF_DOWN"}) {
    if (mode == known) return mode;
  }
  return node.Fail("rounding_mode is '" + given.substr(0, 64) +
                   "', expected ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, "
                   "HALF_UP or HALF_DOWN");
}

// The value of a constant of one element and any numeric type.
Result<float> ConstantNumber(OnnxNode& node, size_t input, const char* what) {
  const ValueId id = node.Input(input);
  BITTERN_TRY(node.ExpectConstant(id, what));
  BITTERN_TRY_ASSIGN(const ValueId number, node.CastTo(id, DType::kF32));
  BITTERN_TRY_ASSIGN(const std::optional<float> value,
                     node.ConstantScalar(number));
  if (value && std::isfinite(*value)) return *value;
  return node.Fail(std::string(what) + " is " +
                   runtime::ToString(node.TypeOf(id)) +
                   ", expected one finite number");
}

// +scale where x >= 0, -scale elsewhere: the sign of three values, moved up.
ValueId EmitBipolar(Formula& f, ValueId x, ValueId scale) {
  const ValueId sign = f.Add(f.Op("Sign", {x}), f.F32(0.1f));
  return f.Mul(f.Op("Sign", {sign}), scale);
}

struct Levels {
  float low, high;
};

Levels LevelsOf(float bits, bool is_signed, bool narrow) {
  const float less = narrow ? 1.0f : 0.0f;
  if (!is_signed) return {0, std::exp2(bits) - 1 - less};
  const float half = std::exp2(bits - 1);
  return {less - half, half - 1};
}

bool IsZero(const Graph& graph, ValueId id) {
  const std::vector<float> values = graph.F32(id);
  return graph.IsConstant(id) && !values.empty() &&
         std::all_of(values.begin(), values.end(),
                     [](float v) { return v == 0; });
}

}  // namespace

// clamp(x / scale + zero, low, high), rounded, minus zero, times scale; one
// signed bit is bipolar.
Result<void> ImportIntQuant(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(4, 4));
  BITTERN_TRY_ASSIGN(const int64_t is_signed, node.Int("signed", 1));
  BITTERN_TRY_ASSIGN(const int64_t narrow, node.Int("narrow", 0));
  BITTERN_TRY_ASSIGN(const std::string mode, RoundingMode(node, "ROUND"));
  BITTERN_TRY_ASSIGN(const float bits,
                     ConstantNumber(node, 3, "the bit width"));
  if (bits < 1 || bits > 16) {
    return node.Fail("the bit width is " + std::to_string(bits) +
                     ", expected 1 to 16");
  }
  Formula f(node);
  const ValueId x = node.Input(0);
  const ValueId scale = f.Cast(node.Input(1), DType::kF32);
  if (bits == 1 && is_signed != 0) {
    f.Answer(EmitBipolar(f, x, scale));
    return f.Done();
  }
  const ValueId zero = f.Cast(node.Input(2), DType::kF32);
  BITTERN_TRY(node.ConstantScalar(zero));  // computed, if it can be
  const bool centred = IsZero(node.graph(), zero);
  const Levels levels = LevelsOf(bits, is_signed != 0, narrow != 0);
  ValueId code = f.Div(x, scale);
  if (!centred) code = f.Add(code, zero);
  code = f.Op("Clip", {code}, {{"min", levels.low}, {"max", levels.high}});
  code = EmitRounding(f, code, mode);
  if (!centred) code = f.Sub(code, zero);
  f.Answer(f.Mul(code, scale));
  return f.Done();
}

Result<void> ImportBipolarQuant(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  Formula f(node);
  f.Answer(EmitBipolar(f, node.Input(0), f.Cast(node.Input(1), DType::kF32)));
  return f.Done();
}

// x / scale + zero, rounded; its lowest bits dropped; minus zero, times scale.
Result<void> ImportTrunc(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(5, 5));
  BITTERN_TRY_ASSIGN(const std::string mode, RoundingMode(node, "FLOOR"));
  BITTERN_TRY_ASSIGN(const float in,
                     ConstantNumber(node, 3, "the input width"));
  BITTERN_TRY_ASSIGN(const float out,
                     ConstantNumber(node, 4, "the output width"));
  if (in < out || out < 1 || in > 32) {
    return node.Fail("the widths are " + std::to_string(in) + " and " +
                     std::to_string(out) +
                     ", expected an output of 1 to input bits, of at most 32");
  }
  Formula f(node);
  const ValueId scale = f.Cast(node.Input(1), DType::kF32);
  const ValueId zero = f.Cast(node.Input(2), DType::kF32);
  ValueId code = f.Op("Round", {f.Add(f.Div(node.Input(0), scale), zero)});
  code = EmitRounding(f, f.Div(code, f.F32(std::exp2(in - out))), mode);
  f.Answer(f.Mul(f.Sub(code, zero), scale));
  return f.Done();
}

// The number of thresholds of the element's channel that it reaches.
Result<void> ImportMultiThreshold(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const float scale, node.Float("out_scale", 1));
  BITTERN_TRY_ASSIGN(const float bias, node.Float("out_bias", 0));
  BITTERN_TRY_ASSIGN(const std::string layout,
                     node.String("data_layout", "NCHW"));
  node.Ignore("out_dtype");  // a name of what the numbers fit in
  const ValueId x = node.Input(0);
  const Shape shape = node.ShapeOf(x), table = node.ShapeOf(node.Input(1));
  const bool last = !layout.empty() && layout.back() == 'C';
  const size_t rank = shape.rank();
  const size_t axis = last ? rank - 1 : 1;
  if (rank < 2 || rank >= runtime::kMaxRank || table.rank() != 2 ||
      (table[0] != 1 && table[0] != shape[axis])) {
    return node.Fail("the thresholds are " + runtime::ToString(table) +
                     " for " + runtime::ToString(shape) +
                     ", expected a row for each channel, or one");
  }
  std::vector<int64_t> dims(rank + 1, 1);
  dims[axis] = table[0];
  dims[rank] = table[1];
  Formula f(node);
  const ValueId reached =
      f.Op("GreaterOrEqual", {f.Unsqueeze(x, {static_cast<int64_t>(rank)}),
                              f.Reshape(node.Input(1), dims)});
  ValueId count = f.Reduce("ReduceSum", f.Cast(reached, DType::kF32),
                           {static_cast<int64_t>(rank)}, false);
  if (scale != 1) count = f.Mul(count, f.F32(scale));
  if (bias != 0) count = f.Add(count, f.F32(bias));
  f.Answer(count);
  return f.Done();
}

// Operands {0, 1} that stand for -1 and +1: how many products are +1.
Result<void> ImportXnorPopcountMatMul(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  Formula f(node);
  const auto bipolar = [&f](ValueId x) {
    return f.Sub(f.Mul(x, f.F32(2)), f.F32(1));
  };
  const Shape a = node.ShapeOf(node.Input(0));
  const ValueId product =
      f.Op("MatMul", {bipolar(node.Input(0)), bipolar(node.Input(1))});
  f.Answer(
      f.Mul(f.Add(product, f.F32(static_cast<float>(a.Last()))), f.F32(0.5f)));
  return f.Done();
}

}  // namespace bittern::convert
