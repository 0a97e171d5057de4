// GlobalAveragePool: the mean of each channel's pixels, fl(row sum / count), as
// one pixel.
#include <algorithm>

#include "kernels/norm/norm.h"
#include "runtime/ops/binary_op.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

class GlobalAveragePoolOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const Shape& in = context.inputs[0].type.shape;
    if (in.rank() < 3 || in.Elements() == 0) {
      return WrongInput(context, 0, "x",
                        "rank 3 or more (NCHW) and no empty dimension");
    }
    Shape out = in;
    pixels_ = 1;
    for (size_t i = 2; i < in.rank(); ++i) {
      pixels_ *= static_cast<size_t>(in[i]);
      out[i] = 1;
    }
    channels_ = static_cast<size_t>(in[0] * in[1]);
    return SetOutput(context, 0, DType::kF32, out);
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectNorm(context.cpu);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    context.pool->For(
        channels_, Grain(pixels_, 1), [&](size_t, size_t begin, size_t end) {
          for (size_t c = begin; c < end; ++c) {
            const float sum = kernel_->row_sum(
                RunInput<float>(context, 0) + c * pixels_, pixels_);
            RunOutput<float>(context, 0)[c] =
                CanonicalNan(sum / static_cast<float>(pixels_));
          }
        });
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  size_t channels_ = 0, pixels_ = 1;
  const kernels::NormKernel* kernel_ = nullptr;
};

}  // namespace

constinit const OpInfo kGlobalAveragePoolOp =
    SimpleOpInfo("GlobalAveragePool", 1, 1, {}, &CreateOp<GlobalAveragePoolOp>);

}  // namespace bittern::runtime
