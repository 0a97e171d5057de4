// What follows a product of low-bit operands: the epilogue that the attributes
// and the inputs from `scale` on ask for (README.md, LowBitLinear), checked and
// turned into arguments of an epilogue kernel. An op with one scale per output
// channel n and rows of outputs uses it whatever its product is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/epilogue/epilogue.h"
#include "kernels/gemm/gemm.h"
#include "runtime/ops/byte_codes.h"
#include "runtime/ops/codes.h"
#include "runtime/ops/sign_windows.h"

namespace bittern::runtime {

enum LinearInput : size_t {
  kLinearX,
  kLinearWeights,
  kLinearScale,
  kLinearBias,
  kLinearResidual,
  kLinearGamma,
  kLinearBeta,
  kLinearA,
  kLinearZ,
  kLinearCorrection,
  kLinearRowScale,
  kLinearRowTerm,
  kLinearColumnTerm,
  kLinearStepValues,
  kLinearGroupScale,
  kLinearGroupZero,
  kLinearChannelScale,
  kLinearInputs
};

// The attributes that it reads.
inline constexpr std::array kEpilogueAttributes = {
    AttributeSpec{"epilogue", AttributeKind::kString, true},
    AttributeSpec{"functions", AttributeKind::kString, false},
    AttributeSpec{"function_args", AttributeKind::kFloats, false},
    AttributeSpec{"code_functions", AttributeKind::kString, false},
    AttributeSpec{"epsilon", AttributeKind::kFloat, false},
    AttributeSpec{"group", AttributeKind::kInt, false},
    AttributeSpec{"per", AttributeKind::kString, false},
    AttributeSpec{"lo", AttributeKind::kInt, false},
    AttributeSpec{"hi", AttributeKind::kInt, false},
    AttributeSpec{"bipolar2", AttributeKind::kInt, false},
    AttributeSpec{"multiply", AttributeKind::kInt, false},
    AttributeSpec{"zero_after", AttributeKind::kInt, false}};

// Those and the `own` ones of an op.
template <size_t kOwn>
constexpr std::array<AttributeSpec, kOwn + kEpilogueAttributes.size()>
WithEpilogueAttributes(const std::array<AttributeSpec, kOwn>& own) {
  std::array<AttributeSpec, kOwn + kEpilogueAttributes.size()> all{};
  for (size_t i = 0; i < all.size(); ++i)
    all[i] = i < kOwn ? own[i] : kEpilogueAttributes[i - kOwn];
  return all;
}

struct LinearProduct {
  kernels::GemmTypes types;
  size_t k = 0;
  Shape out;  // [.., n]; the dimensions before n are rows
};

// What no sum of codes exceeds in magnitude.
int64_t SumBound(const LinearProduct& product);

// linear_epilogue.cc, and linear_epilogue_plan.cc for Prepare.
class LinearEpilogue {
 public:
  // Checks attributes and inputs and sets output 0. The weights are a constant.
  Result<void> Infer(const InferContext& context, const LinearProduct& product);
  // Chooses the kernel; finds the windows of a sign.
  Result<void> Prepare(const PrepareContext& context);

  const kernels::EpilogueKernel* kernel() const { return kernel_; }
  // Op::MayLieOver: whichever element it is, the residual's is added before the
  // output's is stored.
  bool MayLieOver(size_t input) const {
    return input == kLinearResidual && form_ <= Form::kF32Bytes;
  }
  // Strips of columns are whole multiples of this.
  size_t StripUnit() const;
  // Scratch of Args, shared by all threads.
  size_t ScratchBytes() const;
  kernels::EpilogueArgs Args(const RunContext& context,
                             uint8_t* scratch) const noexcept;
  // What makes codes of the floats that the first has written; null if nothing
  // does.
  const kernels::EpilogueKernel* second() const { return second_; }
  kernels::EpilogueArgs SecondArgs(const RunContext& context) const noexcept;

 private:
  enum class Form : uint8_t {
    kF32,
    kF32Sign,
    kF32Bytes,
    kBytes,
    kGroupNormBytes,
    kSign,
    kGroupNormSign
  };

  Result<void> ReadForm(const InferContext& context);
  Result<void> CheckUnused(const InferContext& context) const;
  Result<void> ReadFunctions(const InferContext& context);
  Result<void> ReadCodeFunctions(const InferContext& context);
  Result<void> AddFunction(const InferContext& context, std::string_view name);
  kernels::EpilogueStep NextStep(const InferContext& context,
                                 kernels::EpilogueStep::Kind kind);
  Result<void> CheckRowInput(const InferContext& context, size_t input,
                             DType dtype) const;
  Result<void> CheckZeroPoints(const InferContext& context) const;
  Result<void> CheckSums(const InferContext& context) const;
  Result<void> InferFloats(const InferContext& context);
  Result<void> InferSigns(const InferContext& context);
  Result<void> InferBoth(const InferContext& context);
  Result<void> InferNormBytes(const InferContext& context);
  // Gamma, beta and epsilon of a LayerNorm over `group` columns.
  Result<void> ReadNorm(const InferContext& context, int64_t group);
  Result<void> MakeWindows(const PrepareContext& context);
  bool MakeThresholds(const PrepareContext& context);
  void SetWindows(kernels::EpilogueArgs& args) const;
  void SetFloats(const RunContext& context, uint8_t* scratch,
                 kernels::EpilogueArgs& args) const;
  bool IsSign() const { return form_ >= Form::kSign; }
  bool HasNorm() const {
    return form_ == Form::kGroupNormBytes || form_ == Form::kGroupNormSign;
  }

  Form form_ = Form::kF32;
  LinearProduct product_;
  size_t m_ = 0, n_ = 0;
  float epsilon_ = 0;
  size_t norm_group_ = 0;
  std::vector<kernels::EpilogueStep> steps_;
  std::vector<kernels::EpilogueStep> code_steps_;  // of Form::kF32Bytes
  // While reading functions: clip arguments and step values not yet taken.
  std::span<const float> arguments_;
  size_t step_rows_ = 0;
  // Of one value for all rows, made one for each.
  bool spread_scale_ = false, spread_term_ = false;
  ByteQuantiserSpec quantiser_;
  ByteLayout bytes_;
  CodeLayout codes_;
  SignWindows windows_;
  // The same windows as half-lines, where all are; else empty.
  std::vector<int32_t> above_, below_;
  std::vector<uint64_t> swap_;
  // The codes of Form::kBytes as thresholds, where those are found and cheaper;
  // else empty.
  std::vector<int32_t> thresholds_, flip_;
  const kernels::EpilogueKernel* kernel_ = nullptr;
  const kernels::EpilogueKernel* second_ = nullptr;
  const kernels::ByteKernel* norm_bytes_ = nullptr;
};

}  // namespace bittern::runtime
