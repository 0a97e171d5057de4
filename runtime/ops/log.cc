// Log: natural logarithm, by the C library (exempt from bit equality between
// machines).
#include <cmath>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

class LogOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const Shape& shape = context.inputs[0].type.shape;
    BITTERN_TRY(SetOutput(context, 0, DType::kF32, shape));
    count_ = static_cast<size_t>(shape.Elements());
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* x = RunInput<float>(context, 0);
    auto* y = RunOutput<float>(context, 0);
    context.pool->For(count_, Grain(1, 64),
                      [&](size_t, size_t begin, size_t end) {
                        for (size_t i = begin; i < end; ++i)
                          y[i] = CanonicalNan(std::log(x[i]));
                      });
  }

 private:
  size_t count_ = 0;
};

}  // namespace

constinit const OpInfo kLogOp = SimpleOpInfo("Log", 1, 1, {}, &CreateOp<LogOp>);

}  // namespace bittern::runtime
