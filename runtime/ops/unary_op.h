// Elementwise ops of one input: an fp32 kernel, and for some an i64 function.
#pragma once

#include "kernels/elementwise/elementwise.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {

using IntegerFn = int64_t (*)(int64_t);

template <kernels::Unary kFunction, IntegerFn kInteger>
class UnaryOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(
        CheckType(context, 0, "x", kInteger == nullptr ? kF32Only : kF32OrI64));
    const TensorType& type = context.inputs[0].type;
    type_ = type.dtype;
    BITTERN_TRY(SetOutput(context, 0, type_, type.shape));
    count_ = static_cast<size_t>(type.shape.Elements());
    return {};
  }

  Result<void> Prepare(PrepareContext& context) override {
    if (type_ == DType::kF32) kernel_ = kernels::SelectElementwise(context.cpu);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    context.pool->For(
        count_, Grain(1, 4), [&](size_t, size_t begin, size_t end) {
          if (kernel_ != nullptr) {
            kernel_->unary(kFunction, RunInput<float>(context, 0) + begin,
                           RunOutput<float>(context, 0) + begin, end - begin);
            return;
          }
          if constexpr (kInteger != nullptr) {
            const auto* x = RunInput<int64_t>(context, 0);
            auto* y = RunOutput<int64_t>(context, 0);
            for (size_t i = begin; i < end; ++i) y[i] = kInteger(x[i]);
          }
        });
  }

  bool MayLieOver(size_t) const override { return true; }

  std::string Kernel() const override {
    return kernel_ == nullptr ? "plain" : kernel_->name;
  }

 private:
  DType type_ = DType::kF32;
  size_t count_ = 0;
  const kernels::ElementwiseKernel* kernel_ = nullptr;
};

template <kernels::Unary kFunction, IntegerFn kInteger = nullptr>
constexpr OpInfo UnaryOpInfo(const char* name) {
  return SimpleOpInfo(name, 1, 1, {}, &CreateOp<UnaryOp<kFunction, kInteger>>);
}

}  // namespace bittern::runtime
