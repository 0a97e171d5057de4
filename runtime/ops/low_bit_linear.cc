// LowBitLinear: an exact integer product of sign codes and 1-bit weights, and
// one of three epilogues: floats with bias and residual, codes through integer
// windows, or codes after a LayerNorm of each column group. README.md has the
// definition.
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm.h"
#include "runtime/ops/codes.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/sign_windows.h"

namespace bittern::runtime {
namespace {

using kernels::EpilogueKind;

enum Input : size_t {
  kCodes,
  kWeights,
  kScale,
  kBias,
  kResidual,
  kGamma,
  kBeta,
  kA,
  kZ
};
constexpr int64_t kMaxK = int64_t{1}
                          << 24;  // so that every accumulator is exact in fp32

class LowBitLinearOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override { return driver_.Name(); }
  OpCost Cost() const override {
    const double nk = static_cast<double>(n_) * static_cast<double>(in_.cols);
    return {static_cast<double>(in_.rows) * nk, 1, 1, nk / 8};
  }

 private:
  Result<void> CheckOperands(const InferContext& context);
  Result<void> CheckEpilogue(const InferContext& context, const Shape& out);
  Result<void> ReadFunctions(const InferContext& context);
  Result<void> MakeWindows(const PrepareContext& context);
  void MakeHalfLines();
  void SetWindows(kernels::EpilogueArgs& args) const;

  EpilogueKind kind_ = EpilogueKind::kScaleF32;
  CodeLayout in_, out_;
  size_t n_ = 0;
  float epsilon_ = 0;
  std::vector<SignFunction> functions_;
  SignWindows windows_;
  // The same windows as half-lines, where all are; else empty.
  std::vector<int32_t> above_, below_;
  std::vector<uint64_t> swap_;
  GemmDriver driver_;
  std::shared_ptr<const AlignedBuffer> packed_;
};

Result<void> LowBitLinearOp::CheckOperands(const InferContext& context) {
  BITTERN_TRY(CheckCodes(context, kCodes, "codes", Encoding::kSign));
  BITTERN_TRY(CheckCodes(context, kWeights, "w", Encoding::kBipolar));
  const TensorType& codes = context.inputs[kCodes].type;
  const Shape& w = context.inputs[kWeights].type.shape;
  if (GroupOf(codes) != codes.shape.Last())
    return WrongInput(context, kCodes, "codes", "one group of columns");
  if (w.rank() != 2 || w[0] < 1 || w[1] != codes.shape.Last() || w[1] > kMaxK) {
    return WrongInput(
        context, kWeights, "w",
        "[N," + std::to_string(codes.shape.Last()) + "] with K up to 2^24");
  }
  if (context.inputs[kWeights].constant == nullptr)
    return WrongInput(context, kWeights, "w", "a constant");
  const Shape n{w[0]};
  BITTERN_TRY(CheckConstant(context, kScale, "scale", DType::kF32, n));
  if (Has(context, kBias))
    BITTERN_TRY(CheckConstant(context, kBias, "bias", DType::kF32, n));
  return {};
}

Result<void> LowBitLinearOp::ReadFunctions(const InferContext& context) {
  functions_.clear();
  std::string_view names = context.String("functions", "");
  auto args = context.Floats("function_args");
  while (!names.empty()) {
    const size_t end = std::min(names.find(' '), names.size());
    const std::string_view name = names.substr(0, end);
    names.remove_prefix(std::min(end + 1, names.size()));
    if (name == "relu") {
      functions_.push_back({SignFunction::Kind::kRelu});
    } else if (name == "gelu") {
      functions_.push_back({SignFunction::Kind::kGelu});
    } else if (name == "clip" && args.size() >= 2) {
      functions_.push_back({SignFunction::Kind::kClip, args[0], args[1]});
      args = args.subspan(2);
    } else {
      return WrongAttribute(
          context, "functions", "'" + std::string(name) + "'",
          "relu, gelu or clip, and two function_args for each clip");
    }
  }
  if (!args.empty()) {
    return WrongAttribute(context, "function_args",
                          std::to_string(args.size()) + " too many",
                          "two for each clip");
  }
  return {};
}

Result<void> LowBitLinearOp::CheckEpilogue(const InferContext& context,
                                           const Shape& out) {
  const std::string_view name = context.String("epilogue", "");
  const bool sign = name == "sign", norm = name == "group_norm_sign";
  if (!sign && !norm && name != "f32") {
    return WrongAttribute(context, "epilogue", "'" + std::string(name) + "'",
                          "f32, sign or group_norm_sign");
  }
  struct Use {
    size_t input;
    const char* label;
    bool used;
  };
  for (const Use& use :
       {Use{kResidual, "residual", !sign && !norm}, Use{kGamma, "gamma", norm},
        Use{kBeta, "beta", norm}, Use{kA, "a", sign || norm},
        Use{kZ, "z", sign || norm}}) {
    if (!use.used && Has(context, use.input)) {
      return WrongInput(context, use.input, use.label,
                        "nothing for epilogue " + std::string(name));
    }
  }
  BITTERN_TRY(ReadFunctions(context));
  if (!sign && !functions_.empty())
    return WrongAttribute(context, "functions", "some",
                          "none but for epilogue sign");
  kind_ = sign   ? EpilogueKind::kWindowSign
          : norm ? EpilogueKind::kGroupNormSign
                 : EpilogueKind::kScaleF32;
  if (!sign && !norm) {
    if (Has(context, kResidual))
      BITTERN_TRY(CheckIs(context, kResidual, "residual", DType::kF32, out));
    return SetOutput(context, 0, DType::kF32, out);
  }
  BITTERN_TRY_ASSIGN(const int64_t group, CheckGroup(context, out.Last()));
  BITTERN_TRY(CheckQuantizer(context, kA, out.Last(), group, true));
  if (norm) {
    BITTERN_TRY(
        CheckConstant(context, kGamma, "gamma", DType::kF32, Shape{group}));
    BITTERN_TRY(
        CheckConstant(context, kBeta, "beta", DType::kF32, Shape{group}));
    epsilon_ = context.Float("epsilon", 1e-5f);
  }
  BITTERN_TRY(SetSignOutput(context, 0, out, group));
  out_ = CodeLayout(context.outputs[0]);
  return {};
}

Result<void> LowBitLinearOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckOperands(context));
  const TensorType& codes = context.inputs[kCodes].type;
  Shape out = codes.shape;
  out[out.rank() - 1] = context.inputs[kWeights].type.shape[0];
  in_ = CodeLayout(codes);
  n_ = static_cast<size_t>(out.Last());
  return CheckEpilogue(context, out);
}

Result<void> LowBitLinearOp::MakeWindows(const PrepareContext& context) {
  const auto values = [&](size_t input) {
    return Has(context, input)
               ? static_cast<const float*>(context.inputs[input].constant)
               : nullptr;
  };
  const SignLayer layer{n_,         in_.cols,   values(kScale), values(kBias),
                        functions_, values(kA), values(kZ),     out_.group};
  auto windows =
      MakeSignWindows(layer, *kernels::SelectElementwise(context.cpu));
  if (!windows.ok()) {
    return Unsupported(context.def.op + " '" + context.def.name +
                       "': " + windows.error().message);
  }
  windows_ = std::move(windows).value();
  MakeHalfLines();
  return {};
}

void LowBitLinearOp::MakeHalfLines() {
  above_.resize(n_);
  below_.resize(n_);
  swap_.resize(kernels::RowWords(n_, out_.group));
  kernels::EpilogueArgs args;
  SetWindows(args);
  if (!kernels::MakeHalfLines(args, n_, out_.group,
                              static_cast<int32_t>(in_.cols), above_.data(),
                              below_.data(), swap_.data())) {
    above_.clear();
  }
}

void LowBitLinearOp::SetWindows(kernels::EpilogueArgs& args) const {
  args.pos_lo = windows_.pos_lo.data();
  args.pos_hi = windows_.pos_hi.data();
  args.neg_lo = windows_.neg_lo.data();
  args.neg_hi = windows_.neg_hi.data();
  if (!above_.empty())
    args.half_lines = {above_.data(), below_.data(), swap_.data()};
}

Result<void> LowBitLinearOp::Prepare(PrepareContext& context) {
  using kernels::Operand;
  const size_t k = in_.cols;
  const kernels::GemmTypes types{Operand::kBipolar, Operand::kSign};
  const auto* gemm = kernels::SelectGemm({types, in_.rows, n_, k}, context.cpu);
  const auto* epilogue = kernels::SelectEpilogue(kind_, context.cpu);
  if (kind_ == EpilogueKind::kWindowSign) BITTERN_TRY(MakeWindows(context));
  // Strips of codes are whole words inside a group, or whole groups where a
  // group is no whole words or is normed (epilogue.h).
  size_t unit = 1;
  if (kind_ != EpilogueKind::kScaleF32) {
    const bool words = out_.group % 64 == 0 || out_.group == n_;
    unit = words && kind_ == EpilogueKind::kWindowSign ? 64 : out_.group;
  }
  driver_ = GemmDriver(gemm, epilogue, types, n_, k, unit);
  context.scratch_per_thread = driver_.ScratchPerThread();
  const void* weights = context.inputs[kWeights].constant;
  BITTERN_TRY_ASSIGN(
      packed_, context.model.Packed(context.inputs[kWeights].tensor, gemm->name,
                                    driver_.RhsBytes(), [&](void* out) {
                                      driver_.PackRhs(weights, out);
                                    }));
  return {};
}

void LowBitLinearOp::Run(const RunContext& context) const noexcept {
  kernels::GemmLhs lhs;
  lhs.planes = in_.View(context.inputs[kCodes]);
  kernels::EpilogueArgs args;
  args.scale = RunInput<float>(context, kScale);
  args.bias = RunInput<float>(context, kBias);
  args.epsilon = epsilon_;
  if (kind_ == EpilogueKind::kScaleF32) {
    args.residual = RunInput<float>(context, kResidual);
    args.residual_stride = args.out_stride =
        static_cast<ptrdiff_t>(n_ * sizeof(float));
    args.out_f32 = RunOutput<float>(context, 0);
  } else {
    args.codes = out_.View(context.outputs[0]);
    SetWindows(args);
    args.gamma = RunInput<float>(context, kGamma);
    args.beta = RunInput<float>(context, kBeta);
    args.a = RunInput<float>(context, kA);
    args.z = RunInput<float>(context, kZ);
  }
  driver_.Run(lhs, packed_->data(), args, in_.rows, context);
}

constexpr AttributeSpec kAttributes[] = {
    {"epilogue", AttributeKind::kString, true},
    {"functions", AttributeKind::kString, false},
    {"function_args", AttributeKind::kFloats, false},
    {"epsilon", AttributeKind::kFloat, false},
    {"group", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kLowBitLinearOp =
    SimpleOpInfo("LowBitLinear", 3, 9, kAttributes, &CreateOp<LowBitLinearOp>);

}  // namespace bittern::runtime
