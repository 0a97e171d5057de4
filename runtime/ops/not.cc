// Not: logical negation.
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

class NotOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kBoolOnly));
    const Shape& shape = context.inputs[0].type.shape;
    BITTERN_TRY(SetOutput(context, 0, DType::kBool, shape));
    count_ = static_cast<size_t>(shape.Elements());
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* x = RunInput<uint8_t>(context, 0);
    auto* y = RunOutput<uint8_t>(context, 0);
    for (size_t i = 0; i < count_; ++i) y[i] = x[i] == 0;
  }

 private:
  size_t count_ = 0;
};

}  // namespace

constinit const OpInfo kNotOp = SimpleOpInfo("Not", 1, 1, {}, &CreateOp<NotOp>);

}  // namespace bittern::runtime
