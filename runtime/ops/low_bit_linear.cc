// LowBitLinear: a product of codes and low-bit weights, exact in integers, or
// of floats and low-bit weights, which may come in groups with a scale each;
// then an epilogue (linear_epilogue.h). README.md has the definition.
#include "kernels/gemm/gemm.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/linear_epilogue.h"
#include "runtime/ops/low_bit_operands.h"
#include "runtime/ops/op_registry.h"

namespace bittern::runtime {
namespace {

using kernels::Operand;

class LowBitLinearOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  bool MayLieOver(size_t input) const override {
    return epilogue_.MayLieOver(input);
  }
  std::string Kernel() const override { return driver_.Name(); }
  OpCost Cost() const override {
    const size_t bytes =
        kernels::CanonicalBytes(product_.types.weights, n_, product_.k) +
        GroupCount() * (zero_bytes_ + sizeof(float));
    return {static_cast<double>(m_ * n_) * static_cast<double>(product_.k),
            operands_.weight_bits, operands_.activation_bits,
            static_cast<double>(bytes)};
  }

 private:
  Result<void> CheckGroups(const InferContext& context);
  size_t GroupCount() const {  // of all channels
    const size_t group = product_.types.group;
    return group == 0 ? 0 : n_ * ((product_.k + group - 1) / group);
  }
  void Pack(const PrepareContext& context, void* out) const;

  size_t zero_bytes_ = 0;  // of one zero point
  size_t m_ = 0, n_ = 0;
  LowBitOperands operands_;
  CodeLayout planes_;  // of x, if it is sign codes
  LinearProduct product_;
  LinearEpilogue epilogue_;
  GemmDriver driver_;
  std::shared_ptr<const AlignedBuffer> packed_;
};

// For float activations; the epilogue refuses them for others.
Result<void> LowBitLinearOp::CheckGroups(const InferContext& context) {
  product_.types.group = zero_bytes_ = 0;
  product_.types.zeros = Has(context, kLinearGroupZero);
  const int64_t block = context.Int("block", 0);
  if (Has(context, kLinearChannelScale)) {
    return WrongInput(context, kLinearChannelScale, "channel_scale",
                      "nothing: a column is no channel of an image");
  }
  if (!Has(context, kLinearGroupScale)) {
    if (product_.types.zeros) {
      return WrongInput(context, kLinearGroupZero, "group_zero",
                        "nothing without group_scale");
    }
    if (block == 0) return {};
    return WrongAttribute(context, "block", std::to_string(block),
                          "none without group_scale");
  }
  const int64_t k = context.inputs[kLinearX].type.shape.Last();
  if (block < 1 || block > k) {
    return WrongAttribute(context, "block", std::to_string(block),
                          "1 to " + std::to_string(k));
  }
  if (!kernels::TakesGroups(product_.types.weights)) {
    return WrongInput(context, kLinearWeights, "w",
                      "ternary, unsigned or signed codes of at most 8 bits "
                      "with group_scale");
  }
  product_.types.group = static_cast<size_t>(block);
  const Shape lists{static_cast<int64_t>(n_), (k - 1) / block + 1};
  BITTERN_TRY(CheckConstant(context, kLinearGroupScale, "group_scale",
                            DType::kF32, lists));
  if (!product_.types.zeros) return {};
  const bool bytes = context.inputs[kLinearGroupZero].type.dtype == DType::kU8;
  zero_bytes_ = bytes ? 1 : sizeof(float);
  return CheckConstant(context, kLinearGroupZero, "group_zero",
                       bytes ? DType::kU8 : DType::kF32, lists);
}

Result<void> LowBitLinearOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckActivations(context, operands_));
  const TensorType& x = context.inputs[kLinearX].type;
  if (x.code.encoding == Encoding::kSign) {
    if (GroupOf(x) != x.shape.Last())
      return WrongInput(context, kLinearX, "x", "one group of columns");
    planes_ = CodeLayout(x);
  }
  product_.k = static_cast<size_t>(x.shape.Last());
  BITTERN_TRY(CheckWeights(context, x.shape.Last(), operands_));
  product_.types = operands_.types;
  product_.types.threes = operands_.types.activations == Operand::kF32 &&
                          operands_.types.weights == Operand::kBipolar;
  Shape out = x.shape;
  out[out.rank() - 1] = context.inputs[kLinearWeights].type.shape[0];
  n_ = static_cast<size_t>(out.Last());
  BITTERN_TRY(CheckGroups(context));
  product_.out = out;
  m_ = static_cast<size_t>(out.Leading());
  return epilogue_.Infer(context, product_);
}

Result<void> LowBitLinearOp::Prepare(PrepareContext& context) {
  const size_t k = product_.k;
  const auto* gemm =
      kernels::SelectGemm({product_.types, m_, n_, k}, context.cpu);
  if (gemm == nullptr) {
    return Unsupported(context.def.op + " '" + context.def.name +
                       "': got sums of " + std::to_string(k) +
                       " products, more than any kernel takes");
  }
  BITTERN_TRY(epilogue_.Prepare(context));
  driver_ = GemmDriver(gemm, epilogue_.kernel(), product_.types, n_, k,
                       epilogue_.StripUnit());
  context.scratch_per_thread = driver_.ScratchPerThread();
  context.scratch_shared = epilogue_.ScratchBytes();
  const InputInfo& weights = context.inputs[kLinearWeights];
  // The packed form may depend on what the activations are.
  std::string layout =
      std::string(gemm->name) + " " +
      std::to_string(static_cast<int>(product_.types.activations));
  if (product_.types.group != 0) {
    layout += " " + std::to_string(product_.types.group);
    for (const size_t input : {kLinearGroupScale, kLinearGroupZero}) {
      if (Has(context, input))
        layout += " " + std::to_string(context.inputs[input].tensor);
    }
  }
  BITTERN_TRY_ASSIGN(
      packed_, context.model.Packed(weights.tensor, layout, driver_.RhsBytes(),
                                    [&](void* out) { Pack(context, out); }));
  return {};
}

void LowBitLinearOp::Pack(const PrepareContext& context, void* out) const {
  const void* weights = context.inputs[kLinearWeights].constant;
  if (product_.types.group == 0) return driver_.PackRhs(weights, out);
  std::vector<float> zeros;
  kernels::WeightGroups groups;
  groups.scale =
      static_cast<const float*>(context.inputs[kLinearGroupScale].constant);
  if (product_.types.zeros) {
    const InputInfo& zero = context.inputs[kLinearGroupZero];
    groups.zero = static_cast<const float*>(zero.constant);
    if (zero.type.dtype == DType::kU8) {
      const auto* bytes = static_cast<const uint8_t*>(zero.constant);
      zeros.assign(bytes, bytes + GroupCount());
      groups.zero = zeros.data();
    }
  }
  driver_.PackGroups(weights, groups, out);
}

void LowBitLinearOp::Run(const RunContext& context) const noexcept {
  const void* x = context.inputs[kLinearX];
  kernels::GemmLhs lhs;
  if (product_.types.activations == Operand::kF32) {
    lhs.f32 = static_cast<const float*>(x);
    lhs.f32_stride = static_cast<ptrdiff_t>(product_.k * sizeof(float));
  } else if (product_.types.activations == Operand::kSign) {
    lhs.planes = planes_.View(x);
  } else {
    lhs.bytes = static_cast<const uint8_t*>(x);
    lhs.bytes_stride = static_cast<ptrdiff_t>(product_.k);
  }
  driver_.Run(lhs, packed_->data(),
              epilogue_.Args(context, context.scratch_shared), m_, context);
}

constexpr auto kAttributes = WithEpilogueAttributes(
    std::array{AttributeSpec{"block", AttributeKind::kInt, false}});

}  // namespace

constinit const OpInfo kLowBitLinearOp = SimpleOpInfo(
    "LowBitLinear", 2, kLinearInputs, kAttributes, &CreateOp<LowBitLinearOp>);

}  // namespace bittern::runtime
