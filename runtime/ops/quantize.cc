// Quantize: fp32 rows to byte codes (kernels/quantize/bytes.h), plain or after
// a LayerNorm, a clip, or GELU and a clip.
#include <iterator>

#include "kernels/quantize/bytes.h"
#include "runtime/ops/byte_codes.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

using kernels::ByteSource;

enum Input : size_t { kX, kScale, kZero, kGamma, kBeta };

constexpr const char* kSources[] = {"plain", "layer_norm", "clip",
                                    "gelu_clip"};  // in the order of ByteSource

class QuantizeOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectBytes(context.cpu);
    context.scratch_shared = quantiser_.ScratchBytes();
    return {};
  }
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override {
    return std::string(kernel_->name) + " " +
           kSources[static_cast<size_t>(source_)];
  }

 private:
  Result<void> ReadSource(const InferContext& context);

  ByteSource source_ = ByteSource::kPlain;
  float epsilon_ = 0, clip_min_ = 0, clip_max_ = 0;
  ByteLayout layout_;
  ByteQuantiserSpec quantiser_;
  const kernels::ByteKernel* kernel_ = nullptr;
};

Result<void> QuantizeOp::ReadSource(const InferContext& context) {
  const std::string_view name = context.String("source", "plain");
  size_t i = 0;
  while (i < std::size(kSources) && name != kSources[i]) ++i;
  if (i == std::size(kSources)) {
    return WrongAttribute(context, "source", "'" + std::string(name) + "'",
                          "plain, layer_norm, clip or gelu_clip");
  }
  source_ = static_cast<ByteSource>(i);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  epsilon_ = context.Float("epsilon", 1e-5f);
  clip_min_ = context.Float("clip_min", -kInfinity);
  clip_max_ = context.Float("clip_max", kInfinity);
  const bool norm = source_ == ByteSource::kLayerNorm;
  const Shape cols{context.inputs[kX].type.shape.Last()};
  for (const auto& [input, label] :
       {std::pair{kGamma, "gamma"}, {kBeta, "beta"}}) {
    if (norm) {
      BITTERN_TRY(CheckIs(context, input, label, DType::kF32, cols));
    } else if (Has(context, input)) {
      return WrongInput(context, input, label,
                        "nothing for source " + std::string(name));
    }
  }
  return {};
}

Result<void> QuantizeOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckType(context, kX, "x", kF32Only));
  const Shape& shape = context.inputs[kX].type.shape;
  BITTERN_TRY(quantiser_.Infer(context, {kScale, kZero, "scale", "zero", false},
                               shape));
  BITTERN_TRY(ReadSource(context));
  layout_ = ByteLayout(context.outputs[0]);
  if (quantiser_.IsSameForRows() && source_ != ByteSource::kLayerNorm)
    quantiser_.Repeat(static_cast<size_t>(shape.Last()), layout_.JoinRows());
  return {};
}

void QuantizeOp::Run(const RunContext& context) const noexcept {
  kernels::ByteArgs args;
  args.x = RunInput<float>(context, kX);
  args.x_stride = static_cast<ptrdiff_t>(layout_.cols * sizeof(float));
  args.source = source_;
  args.gamma = RunInput<float>(context, kGamma);
  args.beta = RunInput<float>(context, kBeta);
  args.epsilon = epsilon_;
  args.clip_lo = clip_min_;
  args.clip_hi = clip_max_;
  args.quantiser = quantiser_.MakeRunnable(context, context.scratch_shared);
  args.codes = layout_.View(context.outputs[0]);
  context.pool->For(layout_.rows, Grain(layout_.cols, 4),
                    [&](size_t, size_t begin, size_t end) {
                      kernel_->quantize(args, begin, end - begin);
                    });
}

constexpr AttributeSpec kAttributes[] = {
    {"per", AttributeKind::kString, true},
    {"lo", AttributeKind::kInt, true},
    {"hi", AttributeKind::kInt, true},
    {"bipolar2", AttributeKind::kInt, false},
    {"multiply", AttributeKind::kInt, false},
    {"zero_after", AttributeKind::kInt, false},
    {"source", AttributeKind::kString, false},
    {"epsilon", AttributeKind::kFloat, false},
    {"clip_min", AttributeKind::kFloat, false},
    {"clip_max", AttributeKind::kFloat, false}};

}  // namespace

constinit const OpInfo kQuantizeOp =
    SimpleOpInfo("Quantize", 2, 5, kAttributes, &CreateOp<QuantizeOp>);

}  // namespace bittern::runtime
