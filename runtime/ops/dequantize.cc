// Dequantize: sign codes to fl((c - z) * a) with a and z per group (inputs 1
// and 2, or neither: the codes themselves), bipolar weights to +-scale[n]
// (input 1).
#include <algorithm>

#include "kernels/quantize/quantize.h"
#include "runtime/ops/codes.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

class DequantizeOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    bipolar_ = Has(context, 0) &&
               context.inputs[0].type.code.encoding == Encoding::kBipolar;
    BITTERN_TRY(CheckCodes(context, 0, "codes",
                           bipolar_ ? Encoding::kBipolar : Encoding::kSign));
    const TensorType& type = context.inputs[0].type;
    if (bipolar_) {
      if (type.shape.rank() != 2)
        return WrongInput(context, 0, "codes", "rank 2");
      BITTERN_TRY(
          CheckIs(context, 1, "scale", DType::kF32, Shape{type.shape[0]}));
      if (Has(context, 2))
        return WrongInput(context, 2, "z", "nothing for bipolar codes");
    } else {
      BITTERN_TRY(
          CheckQuantizer(context, 1, type.shape.Last(), GroupOf(type), false));
    }
    layout_ = CodeLayout(type);
    return SetOutput(context, 0, DType::kF32, type.shape);
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = bipolar_ ? nullptr : kernels::SelectQuantize(context.cpu);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    auto* out = RunOutput<float>(context, 0);
    context.pool->For(
        layout_.rows, Grain(layout_.cols, 4),
        [&](size_t, size_t begin, size_t end) {
          if (bipolar_) return Weights(context, begin, end);
          kernel_->dequantize(
              layout_.View(context.inputs[0]), RunInput<float>(context, 1),
              RunInput<float>(context, 2), out,
              static_cast<ptrdiff_t>(layout_.cols * sizeof(float)), begin,
              end - begin);
        });
  }

  std::string Kernel() const override {
    return kernel_ == nullptr ? "plain" : kernel_->name;
  }

 private:
  void Weights(const RunContext& context, size_t begin, size_t end) const {
    const size_t bytes = kernels::CeilDiv(layout_.cols, 8);
    const auto* scale = RunInput<float>(context, 1);
    for (size_t row = begin; row < end; ++row) {
      const uint8_t* bits = RunInput<uint8_t>(context, 0) + row * bytes;
      float* out = RunOutput<float>(context, 0) + row * layout_.cols;
      for (size_t i = 0; i < layout_.cols; ++i)
        out[i] = (bits[i / 8] >> (i % 8) & 1) != 0 ? scale[row] : -scale[row];
    }
  }

  bool bipolar_ = false;
  CodeLayout layout_;
  const kernels::QuantizeKernel* kernel_ = nullptr;
};

}  // namespace

constinit const OpInfo kDequantizeOp =
    SimpleOpInfo("Dequantize", 1, 3, {}, &CreateOp<DequantizeOp>);

}  // namespace bittern::runtime
