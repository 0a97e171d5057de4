// LayerNorm: over the last axis, with gamma and, if there, beta.
#include <algorithm>

#include "kernels/norm/norm.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

class LayerNormOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const Shape& shape = context.inputs[0].type.shape;
    if (shape.rank() == 0 || shape.Last() == 0)
      return WrongInput(context, 0, "x", "a last dimension of 1 or more");
    const Shape last{shape.Last()};
    BITTERN_TRY(CheckIs(context, 1, "gamma", DType::kF32, last));
    if (Has(context, 2))
      BITTERN_TRY(CheckIs(context, 2, "beta", DType::kF32, last));
    epsilon_ = context.Float("epsilon", 1e-5f);
    rows_ = static_cast<size_t>(shape.Leading());
    cols_ = static_cast<size_t>(shape.Last());
    return SetOutput(context, 0, DType::kF32, shape);
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectNorm(context.cpu);
    if (!Has(context, 2)) zeros_.assign(cols_, 0.0f);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    const auto* gamma = RunInput<float>(context, 1);
    const auto* beta =
        zeros_.empty() ? RunInput<float>(context, 2) : zeros_.data();
    const kernels::NormArgs args{
        RunInput<float>(context, 0),  gamma, beta, epsilon_,
        RunOutput<float>(context, 0), cols_};
    context.pool->For(rows_, Grain(cols_, 4),
                      [&](size_t, size_t begin, size_t end) {
                        kernel_->layer_norm(args, begin, end - begin);
                      });
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  float epsilon_ = 0;
  size_t rows_ = 0, cols_ = 1;
  std::vector<float> zeros_;  // beta where the graph has none
  const kernels::NormKernel* kernel_ = nullptr;
};

constexpr AttributeSpec kAttributes[] = {
    {"epsilon", AttributeKind::kFloat, true}};

}  // namespace

constinit const OpInfo kLayerNormOp =
    SimpleOpInfo("LayerNorm", 2, 3, kAttributes, &CreateOp<LayerNormOp>);

}  // namespace bittern::runtime
