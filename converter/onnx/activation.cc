// Activation functions, as compositions of runtime ops where the runtime has
// none of that name.
#include <cmath>
#include <limits>
#include <numeric>

#include "converter/onnx/formula.h"
#include "converter/onnx/handlers.h"

namespace bittern::convert {
namespace {

using runtime::DType;

// Where(x < 0, negative, x)
Result<void> AnswerNegativePart(OnnxNode& node, ValueId negative) {
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const ValueId is_negative,
                     node.Emit("Less", {x, node.ScalarF32(0)}));
  return node.Answer("Where", {is_negative, negative, x});
}

Result<void> AnswerClip(OnnxNode& node, const std::optional<float>& low,
                        const std::optional<float>& high) {
  AttributeMap attributes;
  if (low) attributes.emplace("min", *low);
  if (high) attributes.emplace("max", *high);
  return node.Answer("Clip", {node.Input(0)}, std::move(attributes));
}

// Bounds that are not single f32 constants: Min(Max(x, low), high).
Result<void> AnswerMinMax(OnnxNode& node) {
  const DType dtype = node.TypeOf(node.Input(0)).dtype;
  const bool narrow = dtype != DType::kF32 && dtype != DType::kI64;
  const DType wide = narrow ? DType::kI64 : dtype;
  BITTERN_TRY_ASSIGN(ValueId x, node.CastTo(node.Input(0), wide));
  for (size_t i = 1; i <= 2; ++i) {
    if (node.Input(i) == kNone) continue;
    BITTERN_TRY_ASSIGN(const ValueId bound, node.CastTo(node.Input(i), wide));
    BITTERN_TRY_ASSIGN(x, node.Emit(i == 1 ? "Max" : "Min", {x, bound}));
  }
  if (narrow) {
    return node.Answer("Cast", {x}, {{"to", runtime::ToString(dtype)}});
  }
  node.AnswerWith(x);
  return {};
}

// x * 0.5 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
Result<void> AnswerTanhGelu(OnnxNode& node, ValueId x) {
  BITTERN_TRY_ASSIGN(const ValueId square, node.Emit("Mul", {x, x}));
  BITTERN_TRY_ASSIGN(const ValueId cube, node.Emit("Mul", {square, x}));
  BITTERN_TRY_ASSIGN(const ValueId scaled,
                     node.Emit("Mul", {cube, node.ScalarF32(0.044715f)}));
  BITTERN_TRY_ASSIGN(const ValueId sum, node.Emit("Add", {x, scaled}));
  const auto root = static_cast<float>(std::sqrt(2.0 / 3.14159265358979323846));
  BITTERN_TRY_ASSIGN(const ValueId inner,
                     node.Emit("Mul", {sum, node.ScalarF32(root)}));
  BITTERN_TRY_ASSIGN(const ValueId tanh, node.Emit("Tanh", {inner}));
  BITTERN_TRY_ASSIGN(const ValueId plus_one,
                     node.Emit("Add", {tanh, node.ScalarF32(1)}));
  BITTERN_TRY_ASSIGN(const ValueId half,
                     node.Emit("Mul", {x, node.ScalarF32(0.5f)}));
  return node.Answer("Mul", {half, plus_one});
}

}  // namespace

Result<void> ImportClip(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 3));
  if (node.opset() < 11) {
    std::optional<float> low;
    std::optional<float> high;
    if (node.Has("min")) {
      BITTERN_TRY_ASSIGN(low, node.Float("min", 0));
    }
    if (node.Has("max")) {
      BITTERN_TRY_ASSIGN(high, node.Float("max", 0));
    }
    return AnswerClip(node, low, high);
  }
  if (node.TypeOf(node.Input(0)).dtype != DType::kF32) {
    return AnswerMinMax(node);
  }
  BITTERN_TRY_ASSIGN(const std::optional<float> low,
                     node.ConstantScalar(node.Input(1)));
  BITTERN_TRY_ASSIGN(const std::optional<float> high,
                     node.ConstantScalar(node.Input(2)));
  if ((node.Input(1) != kNone && !low) || (node.Input(2) != kNone && !high)) {
    return AnswerMinMax(node);
  }
  return AnswerClip(node, low, high);
}

Result<void> ImportGelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const std::string form,
                     node.String("approximate", "none"));
  if (form == "none") return node.Answer("Gelu", node.inputs());
  if (form == "tanh") return AnswerTanhGelu(node, node.Input(0));
  return node.Fail("approximate is '" + form.substr(0, 40) +
                   "', expected 'none' or 'tanh'");
}

Result<void> ImportBiasGelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  BITTERN_TRY_ASSIGN(const ValueId sum, node.Emit("Add", node.inputs()));
  return node.Answer("Gelu", {sum});
}

Result<void> ImportQuickGelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1.702f));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const ValueId scaled,
                     node.Emit("Mul", {x, node.ScalarF32(alpha)}));
  BITTERN_TRY_ASSIGN(const ValueId gate, node.Emit("Sigmoid", {scaled}));
  return node.Answer("Mul", {x, gate});
}

Result<void> ImportLeakyRelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 0.01f));
  BITTERN_TRY_ASSIGN(const ValueId negative,
                     node.Emit("Mul", {node.Input(0), node.ScalarF32(alpha)}));
  return AnswerNegativePart(node, negative);
}

Result<void> ImportPRelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(2, 2));
  ValueId slope = node.Input(1);
  const size_t rank = node.ShapeOf(node.Input(0)).rank();
  // Before opset 7 a list of slopes counts the channels.
  if (node.opset() < 7 && node.ShapeOf(slope).rank() == 1 && rank > 2) {
    std::vector<int64_t> added(rank - 2);
    std::iota(added.begin(), added.end(), int64_t{1});
    BITTERN_TRY_ASSIGN(slope,
                       node.Emit("Unsqueeze", {slope}, {{"axes", added}}));
  }
  BITTERN_TRY_ASSIGN(const ValueId negative,
                     node.Emit("Mul", {node.Input(0), slope}));
  return AnswerNegativePart(node, negative);
}

Result<void> ImportElu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1.0f));
  BITTERN_TRY_ASSIGN(const ValueId exponential,
                     node.Emit("Exp", {node.Input(0)}));
  BITTERN_TRY_ASSIGN(const ValueId shifted,
                     node.Emit("Sub", {exponential, node.ScalarF32(1)}));
  BITTERN_TRY_ASSIGN(const ValueId negative,
                     node.Emit("Mul", {shifted, node.ScalarF32(alpha)}));
  return AnswerNegativePart(node, negative);
}

Result<void> ImportHardSigmoid(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 0.2f));
  BITTERN_TRY_ASSIGN(const float beta, node.Float("beta", 0.5f));
  BITTERN_TRY_ASSIGN(const ValueId scaled,
                     node.Emit("Mul", {node.Input(0), node.ScalarF32(alpha)}));
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     node.Emit("Add", {scaled, node.ScalarF32(beta)}));
  return node.Answer("Clip", {sum}, {{"min", 0.0f}, {"max", 1.0f}});
}

Result<void> ImportHardSwish(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const ValueId scaled,
                     node.Emit("Mul", {x, node.ScalarF32(1.0f / 6)}));
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     node.Emit("Add", {scaled, node.ScalarF32(0.5f)}));
  BITTERN_TRY_ASSIGN(const ValueId gate,
                     node.Emit("Clip", {sum}, {{"min", 0.0f}, {"max", 1.0f}}));
  return node.Answer("Mul", {x, gate});
}

// log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|)), which does not overflow.
Result<void> ImportSoftplus(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const ValueId magnitude, node.Emit("Abs", {x}));
  BITTERN_TRY_ASSIGN(const ValueId negated, node.Emit("Neg", {magnitude}));
  BITTERN_TRY_ASSIGN(const ValueId exponential, node.Emit("Exp", {negated}));
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     node.Emit("Add", {exponential, node.ScalarF32(1)}));
  BITTERN_TRY_ASSIGN(const ValueId logarithm, node.Emit("Log", {sum}));
  BITTERN_TRY_ASSIGN(const ValueId positive, node.Emit("Relu", {x}));
  return node.Answer("Add", {positive, logarithm});
}

Result<void> ImportSoftsign(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  BITTERN_TRY_ASSIGN(const ValueId magnitude, node.Emit("Abs", {x}));
  BITTERN_TRY_ASSIGN(const ValueId sum,
                     node.Emit("Add", {magnitude, node.ScalarF32(1)}));
  return node.Answer("Div", {x, sum});
}

// gamma * (x if x > 0, else alpha * (exp(x) - 1))
Result<void> ImportSelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1.67326324f));
  BITTERN_TRY_ASSIGN(const float gamma, node.Float("gamma", 1.05070102f));
  const ValueId x = node.Input(0);
  Formula f(node);
  const ValueId below = f.Mul(f.Sub(f.Op("Exp", {x}), f.F32(1)), f.F32(alpha));
  const ValueId either = f.Where(f.Op("Greater", {x, f.F32(0)}), x, below);
  f.Answer(f.Mul(either, f.F32(gamma)));
  return f.Done();
}

// max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))
Result<void> ImportCelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1));
  const ValueId x = node.Input(0);
  Formula f(node);
  const ValueId scaled = f.Op("Exp", {f.Div(x, f.F32(alpha))});
  const ValueId below = f.Mul(f.Sub(scaled, f.F32(1)), f.F32(alpha));
  f.Answer(f.Add(f.Op("Relu", {x}), f.Op("Min", {below, f.F32(0)})));
  return f.Done();
}

Result<void> ImportThresholdedRelu(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1));
  const ValueId x = node.Input(0);
  Formula f(node);
  f.Answer(f.Where(f.Op("Greater", {x, f.F32(alpha)}), x, f.F32(0)));
  return f.Done();
}

// x + bias below -lambd, x - bias above lambd, 0 between.
Result<void> ImportShrink(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float bias, node.Float("bias", 0));
  BITTERN_TRY_ASSIGN(const float lambd, node.Float("lambd", 0.5f));
  const ValueId x = node.Input(0);
  Formula f(node);
  const ValueId above = f.Where(f.Op("Greater", {x, f.F32(lambd)}),
                                f.Sub(x, f.F32(bias)), f.F32(0));
  f.Answer(
      f.Where(f.Op("Less", {x, f.F32(-lambd)}), f.Add(x, f.F32(bias)), above));
  return f.Done();
}

// x * sigmoid(alpha * x)
Result<void> ImportSwish(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  BITTERN_TRY_ASSIGN(const float alpha, node.Float("alpha", 1));
  const ValueId x = node.Input(0);
  Formula f(node);
  const ValueId scaled = alpha == 1 ? x : f.Mul(x, f.F32(alpha));
  f.Answer(f.Mul(x, f.Op("Sigmoid", {scaled})));
  return f.Done();
}

// x * tanh(softplus(x))
Result<void> ImportMish(OnnxNode& node) {
  BITTERN_TRY(node.ExpectInputs(1, 1));
  const ValueId x = node.Input(0);
  Formula f(node);
  const ValueId small = f.Op("Exp", {f.Op("Neg", {f.Op("Abs", {x})})});
  const ValueId softplus =
      f.Add(f.Op("Relu", {x}), f.Op("Log", {f.Add(small, f.F32(1))}));
  f.Answer(f.Mul(x, f.Op("Tanh", {softplus})));
  return f.Done();
}

}  // namespace bittern::convert
