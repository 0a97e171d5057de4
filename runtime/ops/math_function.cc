// MathFunction: the trigonometric and hyperbolic functions, by name. Computed
// in double by the C library and rounded once (exempt from bit equality between
// machines).
#include <cmath>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

struct Function {
  const char* name;
  double (*apply)(double);
};

constexpr Function kFunctions[] = {
    {"Acos", [](double x) { return std::acos(x); }},
    {"Acosh", [](double x) { return std::acosh(x); }},
    {"Asin", [](double x) { return std::asin(x); }},
    {"Asinh", [](double x) { return std::asinh(x); }},
    {"Atan", [](double x) { return std::atan(x); }},
    {"Atanh", [](double x) { return std::atanh(x); }},
    {"Cos", [](double x) { return std::cos(x); }},
    {"Cosh", [](double x) { return std::cosh(x); }},
    {"Sin", [](double x) { return std::sin(x); }},
    {"Sinh", [](double x) { return std::sinh(x); }},
    {"Tan", [](double x) { return std::tan(x); }},
};

class MathFunctionOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const std::string_view name = context.String("function", "");
    std::string names;
    for (const Function& function : kFunctions) {
      if (name == function.name) apply_ = function.apply;
      names += names.empty() ? "" : ", ";
      names += function.name;
    }
    if (apply_ == nullptr) {
      return WrongAttribute(context, "function",
                            "\"" + std::string(name) + "\"", "one of " + names);
    }
    const Shape& shape = context.inputs[0].type.shape;
    BITTERN_TRY(SetOutput(context, 0, DType::kF32, shape));
    count_ = static_cast<size_t>(shape.Elements());
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* x = RunInput<float>(context, 0);
    auto* y = RunOutput<float>(context, 0);
    context.pool->For(
        count_, Grain(1, 64), [&](size_t, size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) {
            y[i] = CanonicalNan(
                static_cast<float>(apply_(static_cast<double>(x[i]))));
          }
        });
  }

 private:
  double (*apply_)(double) = nullptr;
  size_t count_ = 0;
};

constexpr AttributeSpec kAttributes[] = {
    {"function", AttributeKind::kString, true}};

}  // namespace

constinit const OpInfo kMathFunctionOp =
    SimpleOpInfo("MathFunction", 1, 1, kAttributes, &CreateOp<MathFunctionOp>);

}  // namespace bittern::runtime
