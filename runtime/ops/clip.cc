// Clip: min(max(x, lo), hi) with the bounds as attributes; a bound that is
// absent does not limit, and lo > hi gives hi.
#include <limits>

#include "kernels/elementwise/elementwise.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

class ClipOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    lo_ = context.Float("min", -kInfinity);
    hi_ = context.Float("max", kInfinity);
    if (lo_ != lo_ || hi_ != hi_)
      return WrongAttribute(context, "min and max", "NaN", "numbers");
    const Shape& shape = context.inputs[0].type.shape;
    BITTERN_TRY(SetOutput(context, 0, DType::kF32, shape));
    count_ = static_cast<size_t>(shape.Elements());
    return {};
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectElementwise(context.cpu);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* x = RunInput<float>(context, 0);
    auto* y = RunOutput<float>(context, 0);
    context.pool->For(
        count_, Grain(1, 1), [&](size_t, size_t begin, size_t end) {
          kernel_->clip(x + begin, lo_, hi_, y + begin, end - begin);
        });
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  float lo_ = 0, hi_ = 0;
  size_t count_ = 0;
  const kernels::ElementwiseKernel* kernel_ = nullptr;
};

constexpr AttributeSpec kAttributes[] = {{"min", AttributeKind::kFloat, false},
                                         {"max", AttributeKind::kFloat, false}};

}  // namespace

constinit const OpInfo kClipOp =
    SimpleOpInfo("Clip", 1, 1, kAttributes, &CreateOp<ClipOp>);

}  // namespace bittern::runtime
