// ConstantOfShape: a tensor of a constant shape, filled with value_f (f32) or
// value_i (i64); with neither, f32 zeros.
#include <algorithm>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class ConstantOfShapeOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY_ASSIGN(const auto dims, ConstantInts(context, 0, "shape"));
    BITTERN_TRY_ASSIGN(const Shape shape, CheckedShape(context, "shape", dims));
    const auto& attributes = context.def.attributes;
    integer_ = attributes.find("value_i") != attributes.end();
    if (integer_ && attributes.find("value_f") != attributes.end()) {
      return WrongAttribute(context, "value_f and value_i", "both",
                            "one of them");
    }
    float_value_ = context.Float("value_f", 0);
    int_value_ = context.Int("value_i", 0);
    BITTERN_TRY(
        SetOutput(context, 0, integer_ ? DType::kI64 : DType::kF32, shape));
    count_ = static_cast<size_t>(shape.Elements());
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    if (integer_) {
      std::fill_n(RunOutput<int64_t>(context, 0), count_, int_value_);
    } else {
      std::fill_n(RunOutput<float>(context, 0), count_, float_value_);
    }
  }

 private:
  bool integer_ = false;
  float float_value_ = 0;
  int64_t int_value_ = 0;
  size_t count_ = 0;
};

constexpr AttributeSpec kAttributes[] = {
    {"value_f", AttributeKind::kFloat, false},
    {"value_i", AttributeKind::kInt, false}};

constexpr ValueInput kValues[] = {{0, nullptr}};

}  // namespace

constinit const OpInfo kConstantOfShapeOp =
    SimpleOpInfo("ConstantOfShape", 1, 1, kAttributes,
                 &CreateOp<ConstantOfShapeOp>, kValues);

}  // namespace bittern::runtime
