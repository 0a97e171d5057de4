#include "runtime/ops/linear_epilogue.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "runtime/ops/gemm_driver.h"

namespace bittern::runtime {
namespace {

using kernels::EpilogueStep;
using kernels::Operand;

constexpr int64_t kMaxSum = std::numeric_limits<int32_t>::max();
// Accumulators that windows are found for, so that they are exact in fp32.
constexpr size_t kMaxWindowK = size_t{1} << 24;

constexpr const char* kLabels[kLinearInputs] = {"x",
                                                "w",
                                                "scale",
                                                "bias",
                                                "residual",
                                                "gamma",
                                                "beta",
                                                "a",
                                                "z",
                                                "correction",
                                                "row_scale",
                                                "row_term",
                                                "column_term",
                                                "step_values",
                                                "group_scale",
                                                "group_zero",
                                                "channel_scale"};
constexpr const char* kForms[] = {
    "f32",  "f32_sign",       "f32_bytes", "bytes", "group_norm_bytes",
    "sign", "group_norm_sign"};

// Which optional inputs each form of epilogue takes, as bits of LinearInput.
constexpr uint32_t Bits(std::initializer_list<LinearInput> inputs) {
  uint32_t bits = 0;
  for (const LinearInput input : inputs) bits |= 1u << input;
  return bits;
}
constexpr uint32_t kRequired =
    Bits({kLinearX, kLinearWeights, kLinearScale, kLinearBias});
constexpr uint32_t kFloatInputs =
    kRequired | Bits({kLinearResidual, kLinearStepValues});
constexpr uint32_t kIntegerInputs = Bits(
    {kLinearCorrection, kLinearRowScale, kLinearRowTerm, kLinearColumnTerm});
constexpr uint32_t kGroupInputs =
    Bits({kLinearGroupScale, kLinearGroupZero, kLinearChannelScale});
constexpr uint32_t kTaken[] = {
    kFloatInputs,
    kFloatInputs | Bits({kLinearZ}),
    kFloatInputs | Bits({kLinearA, kLinearZ}),
    kFloatInputs | Bits({kLinearA, kLinearZ}),
    kRequired | Bits({kLinearGamma, kLinearBeta, kLinearA, kLinearZ,
                      kLinearCorrection}),
    kRequired | Bits({kLinearA, kLinearZ}),
    kRequired | Bits({kLinearGamma, kLinearBeta, kLinearA, kLinearZ})};

template <class T>
const T* ConstantOf(const InferContext& context, size_t input) {
  return Has(context, input)
             ? static_cast<const T*>(context.inputs[input].constant)
             : nullptr;
}

EpilogueStep::Kind VectorStep(std::string_view name) {
  using Kind = EpilogueStep::Kind;
  return name == "add" ? Kind::kAdd : name == "mul" ? Kind::kMul : Kind::kPRelu;
}

int64_t Magnitude(int32_t x) { return std::abs(int64_t{x}); }

// The sums of channel n whatever the activations are.
struct SumRange {
  int64_t lo = 0, hi = 0;
};
SumRange RangeOfSums(const kernels::CodeMatrix& w, Operand activations,
                     size_t n) {
  constexpr size_t kPart = 256;
  int32_t values[kPart];
  int64_t positive = 0, negative = 0;
  for (size_t k = 0; k < w.k; k += kPart) {
    const size_t count = std::min(kPart, w.k - k);
    kernels::ReadValues(w, n, k, count, values);
    for (size_t i = 0; i < count; ++i) {
      positive += std::max(values[i], 0);
      negative += std::min(values[i], 0);
    }
  }
  const kernels::ValueRange x = kernels::RangeOf(activations);
  return {positive * x.lo + negative * x.hi, positive * x.hi + negative * x.lo};
}

// One value a row where the input has one for all of them.
template <class T>
const T* Spread(const T* value, size_t rows, uint8_t* scratch) {
  auto* list = reinterpret_cast<T*>(scratch);
  std::fill_n(list, rows, *value);
  return list;
}

}  // namespace

int64_t SumBound(const LinearProduct& product) {
  return static_cast<int64_t>(product.k) *
         kernels::RangeOf(product.types.weights).MaxAbs() *
         kernels::RangeOf(product.types.activations).MaxAbs();
}

Result<void> LinearEpilogue::ReadForm(const InferContext& context) {
  const std::string_view name = context.String("epilogue", "");
  const auto* form = std::find(std::begin(kForms), std::end(kForms), name);
  if (form == std::end(kForms)) {
    return WrongAttribute(
        context, "epilogue", "'" + std::string(name) + "'",
        "f32, f32_sign, f32_bytes, bytes, group_norm_bytes, sign or "
        "group_norm_sign");
  }
  form_ = static_cast<Form>(form - std::begin(kForms));
  const size_t outputs =
      form_ == Form::kF32Sign || form_ == Form::kF32Bytes ? 2 : 1;
  if (context.outputs.size() != outputs) {
    return WrongAttribute(context, "epilogue", "'" + std::string(name) + "'",
                          std::to_string(outputs) + " outputs for it, not " +
                              std::to_string(context.outputs.size()));
  }
  const bool bits = product_.types.activations == Operand::kSign &&
                    product_.types.weights == Operand::kBipolar;
  const bool floats = product_.types.activations == Operand::kF32;
  if (IsSign() ? bits : form_ != Form::kGroupNormBytes || !floats)
    return CheckUnused(context);
  return context.Fail("epilogue " + std::string(name) + ": got " +
                      ToString(context.inputs[kLinearWeights].type) + " and " +
                      ToString(context.inputs[kLinearX].type) + ", expected " +
                      (IsSign() ? "bipolar weights and sign codes" : "codes"));
}

Result<void> LinearEpilogue::CheckUnused(const InferContext& context) const {
  uint32_t taken = kTaken[static_cast<size_t>(form_)];
  const bool floats = product_.types.activations == Operand::kF32;
  if (form_ <= Form::kBytes) taken |= floats ? kGroupInputs : kIntegerInputs;
  for (size_t input = 0; input < kLinearInputs; ++input) {
    if ((taken >> input & 1) == 0 && Has(context, input)) {
      return WrongInput(context, input, kLabels[input],
                        "nothing for epilogue " +
                            std::string(kForms[static_cast<size_t>(form_)]) +
                            (floats ? " of f32" : ""));
    }
  }
  return {};
}

// The step of that kind with the next row of step_values.
EpilogueStep LinearEpilogue::NextStep(const InferContext& context,
                                      EpilogueStep::Kind kind) {
  const auto* values = ConstantOf<float>(context, kLinearStepValues);
  const bool within =
      values != nullptr && static_cast<int64_t>(step_rows_) <
                               context.inputs[kLinearStepValues].type.shape[0];
  if (within) values += step_rows_ * n_;  // else refused by ReadFunctions
  ++step_rows_;
  return {kind, values};
}

Result<void> LinearEpilogue::AddFunction(const InferContext& context,
                                         std::string_view name) {
  using Kind = EpilogueStep::Kind;
  const bool floats = !IsSign();
  const bool vector = name == "add" || name == "mul" || name == "prelu";
  if (name == "relu" || name == "gelu") {
    steps_.push_back({name == "relu" ? Kind::kRelu : Kind::kGelu});
  } else if (name == "clip" && arguments_.size() >= 2) {
    steps_.push_back({Kind::kClip, nullptr, arguments_[0], arguments_[1]});
    arguments_ = arguments_.subspan(2);
  } else if (floats && vector) {
    steps_.push_back(NextStep(context, VectorStep(name)));
  } else if (floats && name == "residual" && Has(context, kLinearResidual) &&
             std::none_of(steps_.begin(), steps_.end(),
                          [](const EpilogueStep& step) {
                            return step.kind == Kind::kResidual;
                          })) {
    steps_.push_back({Kind::kResidual});
  } else {
    return WrongAttribute(
        context, "functions", "'" + std::string(name) + "'",
        floats ? "relu, gelu, clip with two function_args each, add, mul, "
                 "prelu, or one residual where there is one"
               : "relu, gelu or clip, and two function_args for each clip");
  }
  return {};
}

Result<void> LinearEpilogue::ReadFunctions(const InferContext& context) {
  steps_.clear();
  step_rows_ = 0;
  arguments_ = context.Floats("function_args");
  std::string_view names = context.String("functions", "");
  if (HasNorm() && !names.empty()) {
    return WrongAttribute(
        context, "functions", "some",
        "none for epilogue " + std::string(kForms[static_cast<size_t>(form_)]));
  }
  if (Has(context, kLinearStepValues)) {
    const Shape& shape = context.inputs[kLinearStepValues].type.shape;
    BITTERN_TRY(CheckConstant(
        context, kLinearStepValues, kLabels[kLinearStepValues], DType::kF32,
        Shape{shape.rank() > 0 ? shape[0] : 0, static_cast<int64_t>(n_)}));
  }
  while (!names.empty()) BITTERN_TRY(AddFunction(context, NextName(names)));
  BITTERN_TRY(ReadCodeFunctions(context));
  if (!arguments_.empty()) {
    return WrongAttribute(context, "function_args",
                          std::to_string(arguments_.size()) + " too many",
                          "two for each clip");
  }
  const int64_t rows = Has(context, kLinearStepValues)
                           ? context.inputs[kLinearStepValues].type.shape[0]
                           : 0;
  if (rows == static_cast<int64_t>(step_rows_)) return {};
  return WrongInput(
      context, kLinearStepValues, kLabels[kLinearStepValues],
      std::to_string(step_rows_) + " rows, one for each add, mul and prelu");
}

// What is done to the floats before the quantiser makes codes of them.
Result<void> LinearEpilogue::ReadCodeFunctions(const InferContext& context) {
  code_steps_.clear();
  std::string_view names = context.String("code_functions", "");
  while (!names.empty()) {
    const std::string_view name = NextName(names);
    const bool vector = name == "add" || name == "mul" || name == "prelu";
    if (form_ != Form::kF32Bytes || (!vector && name != "relu")) {
      return WrongAttribute(
          context, "code_functions", "'" + std::string(name) + "'",
          "relu, add, mul or prelu, of epilogue f32_bytes alone");
    }
    code_steps_.push_back(vector ? NextStep(context, VectorStep(name))
                                 : EpilogueStep{EpilogueStep::Kind::kRelu});
  }
  return {};
}

Result<void> LinearEpilogue::CheckRowInput(const InferContext& context,
                                           size_t input, DType dtype) const {
  Shape rows = product_.out;
  rows[rows.rank() - 1] = 1;
  const bool one =
      Has(context, input) && context.inputs[input].type.shape == Shape{1};
  return CheckIs(context, input, kLabels[input], dtype, one ? Shape{1} : rows);
}

// That all sums, with what is added to them, fit the int32 they are made in. A
// row_term that is not known before the run is the caller's to keep in range:
// sums wrap around.
Result<void> LinearEpilogue::CheckSums(const InferContext& context) const {
  const auto* correction = ConstantOf<int32_t>(context, kLinearCorrection);
  const auto* column_term = ConstantOf<int32_t>(context, kLinearColumnTerm);
  int64_t row_term = 0;
  if (ConstantOf<int32_t>(context, kLinearRowTerm) != nullptr) {
    for (int32_t term : context.inputs[kLinearRowTerm].Values<int32_t>())
      row_term = std::max(row_term, Magnitude(term));
  }
  const kernels::CodeMatrix w{context.inputs[kLinearWeights].constant,
                              product_.types.weights, n_, product_.k};
  const int64_t bound = SumBound(product_);
  for (size_t n = 0; n < n_; ++n) {
    const int64_t offset = correction != nullptr ? correction[n] : 0;
    const int64_t spread =
        column_term != nullptr ? row_term * Magnitude(column_term[n]) : 0;
    if (bound + std::abs(offset) + spread <= kMaxSum) continue;
    const SumRange sums = RangeOfSums(w, product_.types.activations, n);
    const int64_t lo = sums.lo + offset - spread,
                  hi = sums.hi + offset + spread;
    if (lo >= -kMaxSum && hi <= kMaxSum) continue;
    return context.Fail("zero points of channel " + std::to_string(n) +
                        ": got sums from " + std::to_string(lo) + " to " +
                        std::to_string(hi) +
                        ", expected magnitudes below 2^31");
  }
  return {};
}

Result<void> LinearEpilogue::CheckZeroPoints(
    const InferContext& context) const {
  const Shape n{static_cast<int64_t>(n_)};
  if (Has(context, kLinearCorrection)) {
    BITTERN_TRY(CheckConstant(context, kLinearCorrection,
                              kLabels[kLinearCorrection], DType::kI32, n));
  }
  if (Has(context, kLinearRowScale))
    BITTERN_TRY(CheckRowInput(context, kLinearRowScale, DType::kF32));
  if (Has(context, kLinearRowTerm) || Has(context, kLinearColumnTerm)) {
    BITTERN_TRY(CheckRowInput(context, kLinearRowTerm, DType::kI32));
    BITTERN_TRY(CheckConstant(context, kLinearColumnTerm,
                              kLabels[kLinearColumnTerm], DType::kI32, n));
  }
  return product_.types.activations == Operand::kF32 ? Result<void>()
                                                     : CheckSums(context);
}

Result<void> LinearEpilogue::InferFloats(const InferContext& context) {
  BITTERN_TRY(CheckZeroPoints(context));
  const auto is_one = [&](size_t input) {
    return Has(context, input) && m_ > 1 &&
           context.inputs[input].type.shape == Shape{1};
  };
  spread_scale_ = is_one(kLinearRowScale);
  spread_term_ = is_one(kLinearRowTerm);
  if (Has(context, kLinearResidual)) {
    BITTERN_TRY(CheckIs(context, kLinearResidual, kLabels[kLinearResidual],
                        DType::kF32, product_.out));
  }
  if (form_ == Form::kF32)
    return SetOutput(context, 0, DType::kF32, product_.out);
  if (form_ == Form::kF32Sign) return InferBoth(context);
  const size_t output = form_ == Form::kF32Bytes ? 1 : 0;
  if (output == 1)
    BITTERN_TRY(SetOutput(context, 0, DType::kF32, product_.out));
  BITTERN_TRY(quantiser_.Infer(
      context,
      {kLinearA, kLinearZ, kLabels[kLinearA], kLabels[kLinearZ], true, output},
      product_.out));
  bytes_ = ByteLayout(context.outputs[output]);
  return {};
}

Result<void> LinearEpilogue::InferBoth(const InferContext& context) {
  if (Has(context, kLinearZ)) {
    BITTERN_TRY(CheckConstant(context, kLinearZ, kLabels[kLinearZ], DType::kF32,
                              Shape{product_.out.Last()}));
  }
  BITTERN_TRY(SetOutput(context, 0, DType::kF32, product_.out));
  BITTERN_TRY(SetSignOutput(context, 1, product_.out, 0));
  codes_ = CodeLayout(context.outputs[1]);
  return {};
}

Result<void> LinearEpilogue::ReadNorm(const InferContext& context,
                                      int64_t group) {
  for (const size_t input : {kLinearGamma, kLinearBeta}) {
    BITTERN_TRY(CheckConstant(context, input, kLabels[input], DType::kF32,
                              Shape{group}));
  }
  epsilon_ = context.Float("epsilon", 1e-5f);
  norm_group_ = static_cast<size_t>(group);
  return {};
}

Result<void> LinearEpilogue::InferNormBytes(const InferContext& context) {
  BITTERN_TRY(CheckZeroPoints(context));
  BITTERN_TRY_ASSIGN(const int64_t group,
                     CheckGroup(context, product_.out.Last()));
  if (group > static_cast<int64_t>(kernels::kMaxNormGroup)) {
    return WrongAttribute(
        context, "group", std::to_string(group),
        "at most " + std::to_string(kernels::kMaxNormGroup) + " columns");
  }
  BITTERN_TRY(ReadNorm(context, group));
  BITTERN_TRY(quantiser_.Infer(
      context, {kLinearA, kLinearZ, kLabels[kLinearA], kLabels[kLinearZ], true},
      product_.out));
  bytes_ = ByteLayout(context.outputs[0]);
  return {};
}

Result<void> LinearEpilogue::InferSigns(const InferContext& context) {
  if (product_.k > kMaxWindowK) {
    return context.Fail("epilogue: got sums of " + std::to_string(product_.k) +
                        " products, expected at most 2^24");
  }
  const int64_t cols = product_.out.Last();
  BITTERN_TRY_ASSIGN(const int64_t group, CheckGroup(context, cols));
  BITTERN_TRY(CheckQuantizer(context, kLinearA, cols, group, true));
  if (HasNorm()) BITTERN_TRY(ReadNorm(context, group));
  BITTERN_TRY(SetSignOutput(context, 0, product_.out, group));
  codes_ = CodeLayout(context.outputs[0]);
  return {};
}

Result<void> LinearEpilogue::Infer(const InferContext& context,
                                   const LinearProduct& product) {
  product_ = product;
  n_ = static_cast<size_t>(product.out.Last());
  m_ = static_cast<size_t>(product.out.Leading());
  BITTERN_TRY(ReadForm(context));
  const Shape n{product.out.Last()};
  if (Has(context, kLinearScale) || product_.types.group == 0) {
    BITTERN_TRY(CheckConstant(context, kLinearScale, kLabels[kLinearScale],
                              DType::kF32, n));
  }
  if (Has(context, kLinearBias)) {
    BITTERN_TRY(CheckConstant(context, kLinearBias, kLabels[kLinearBias],
                              DType::kF32, n));
  }
  BITTERN_TRY(ReadFunctions(context));
  if (IsSign()) return InferSigns(context);
  return HasNorm() ? InferNormBytes(context) : InferFloats(context);
}

size_t LinearEpilogue::ScratchBytes() const {
  const size_t rows = AlignUp64(m_ * sizeof(float));
  return (spread_scale_ ? rows : 0) + (spread_term_ ? rows : 0);
}

void LinearEpilogue::SetFloats(const RunContext& context, uint8_t* scratch,
                               kernels::EpilogueArgs& args) const {
  args.steps = steps_.data();
  args.step_count = steps_.size();
  args.residual = RunInput<float>(context, kLinearResidual);
  args.residual_stride = static_cast<ptrdiff_t>(n_ * sizeof(float));
  args.correction = RunInput<int32_t>(context, kLinearCorrection);
  args.column_term = RunInput<int32_t>(context, kLinearColumnTerm);
  args.row_scale = RunInput<float>(context, kLinearRowScale);
  args.row_term = RunInput<int32_t>(context, kLinearRowTerm);
  if (spread_scale_) {
    args.row_scale = Spread(args.row_scale, m_, scratch);
    scratch += AlignUp64(m_ * sizeof(float));
  }
  if (spread_term_) args.row_term = Spread(args.row_term, m_, scratch);
  if (form_ == Form::kF32Sign) {
    args.codes = codes_.View(context.outputs[1]);
    args.sign_shift = RunInput<float>(context, kLinearZ);
  }
  if (form_ < Form::kBytes) {
    args.out_stride = args.residual_stride;
    args.out_f32 = RunOutput<float>(context, 0);
  } else {
    args.quantiser = quantiser_.MakeRunnable(context, nullptr);
    args.bytes = bytes_.View(context.outputs[0]);
    args.thresholds = thresholds_.data();
    args.flip = flip_.data();
    args.threshold_count = thresholds_.size() / n_;
    args.channels = n_;
  }
}

kernels::EpilogueArgs LinearEpilogue::SecondArgs(
    const RunContext& context) const noexcept {
  kernels::EpilogueArgs args;
  args.steps = code_steps_.data();
  args.step_count = code_steps_.size();
  args.quantiser = quantiser_.MakeRunnable(context, nullptr);
  args.bytes = bytes_.View(context.outputs[1]);
  args.channels = n_;
  return args;
}

kernels::EpilogueArgs LinearEpilogue::Args(const RunContext& context,
                                           uint8_t* scratch) const noexcept {
  kernels::EpilogueArgs args;
  args.scale = RunInput<float>(context, kLinearScale);
  args.bias = RunInput<float>(context, kLinearBias);
  args.gamma = RunInput<float>(context, kLinearGamma);
  args.beta = RunInput<float>(context, kLinearBeta);
  args.epsilon = epsilon_;
  args.norm_group = norm_group_;
  args.norm_bytes = norm_bytes_;
  if (!IsSign()) {
    SetFloats(context, scratch, args);
    return args;
  }
  args.codes = codes_.View(context.outputs[0]);
  SetWindows(args);
  args.a = RunInput<float>(context, kLinearA);
  args.z = RunInput<float>(context, kLinearZ);
  return args;
}

}  // namespace bittern::runtime
