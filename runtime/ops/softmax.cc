// Softmax: over the last axis.
#include "kernels/softmax/softmax.h"

#include <algorithm>

#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

class SoftmaxOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const Shape& shape = context.inputs[0].type.shape;
    if (shape.rank() == 0 || shape.Last() == 0)
      return WrongInput(context, 0, "x", "a last dimension of 1 or more");
    rows_ = static_cast<size_t>(shape.Leading());
    cols_ = static_cast<size_t>(shape.Last());
    return SetOutput(context, 0, DType::kF32, shape);
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectSoftmax(context.cpu);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    context.pool->For(
        rows_, Grain(cols_, 16), [&](size_t, size_t begin, size_t end) {
          kernel_->softmax(RunInput<float>(context, 0) + begin * cols_,
                           RunOutput<float>(context, 0) + begin * cols_,
                           end - begin, cols_);
        });
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  size_t rows_ = 0, cols_ = 1;
  const kernels::SoftmaxKernel* kernel_ = nullptr;
};

}  // namespace

constinit const OpInfo kSoftmaxOp =
    SimpleOpInfo("Softmax", 1, 1, {}, &CreateOp<SoftmaxOp>);

}  // namespace bittern::runtime
