// Binarize and LayerNormBinarize: fp32 rows to sign codes, with or without a
// LayerNorm before the sign.
#pragma once

#include <algorithm>

#include "kernels/quantize/quantize.h"
#include "runtime/ops/codes.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {

// Inputs: x, then gamma and beta if kNorm, then a and z.
template <bool kNorm>
class BinarizeOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const Shape& shape = context.inputs[0].type.shape;
    if (shape.rank() == 0 || shape.Last() == 0)
      return WrongInput(context, 0, "x", "a last dimension of 1 or more");
    if (kNorm) {
      BITTERN_TRY(
          CheckIs(context, 1, "gamma", DType::kF32, Shape{shape.Last()}));
      BITTERN_TRY(
          CheckIs(context, 2, "beta", DType::kF32, Shape{shape.Last()}));
      epsilon_ = context.Float("epsilon", 1e-5f);
    }
    BITTERN_TRY_ASSIGN(const int64_t group, CheckGroup(context, shape.Last()));
    BITTERN_TRY(
        CheckQuantizer(context, kQuantizer, shape.Last(), group, false));
    BITTERN_TRY(SetSignOutput(context, 0, shape, group));
    layout_ = CodeLayout(context.outputs[0]);
    return {};
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectQuantize(context.cpu);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const kernels::SignArgs args{
        RunInput<float>(context, 0),
        static_cast<ptrdiff_t>(layout_.cols * sizeof(float)),
        RunInput<float>(context, kQuantizer),
        RunInput<float>(context, kQuantizer + 1),
        kNorm ? RunInput<float>(context, 1) : nullptr,
        kNorm ? RunInput<float>(context, 2) : nullptr,
        epsilon_,
        layout_.View(context.outputs[0])};
    context.pool->For(layout_.rows, Grain(layout_.cols, 4),
                      [&](size_t, size_t begin, size_t end) {
                        kernel_->sign(args, begin, end - begin);
                      });
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  static constexpr size_t kQuantizer = kNorm ? 3 : 1;  // index of input a

  float epsilon_ = 0;
  CodeLayout layout_;
  const kernels::QuantizeKernel* kernel_ = nullptr;
};

}  // namespace bittern::runtime
