#include "runtime/ops/byte_codes.h"

#include <algorithm>
#include <cmath>

#include "runtime/ops/gemm_driver.h"

namespace bittern::runtime {
namespace {

using kernels::ScalePer;

constexpr float kMaxZero = 32768;  // of a zero point after the rounding

// The narrowest type of codes lo..hi; no bits if there is none.
CodeType NarrowestCode(int64_t lo, int64_t hi) {
  constexpr uint8_t kWidths[] = {1, 2, 3, 4, 8};
  for (const uint8_t bits : kWidths) {
    if (lo >= 0 && hi < int64_t{1} << bits)
      return {Encoding::kUnsignedBytes, bits, 0};
    const int64_t half = int64_t{1} << (bits - 1);
    if (bits > 1 && lo < 0 && lo >= -half && hi < half)
      return {Encoding::kSignedBytes, bits, 0};
  }
  return {};
}

float IntegerZero(float z) {
  return z == z ? std::nearbyint(std::clamp(z, -kMaxZero, kMaxZero)) : 0.0f;
}

}  // namespace

Result<void> CheckByteCodes(const InferContext& context, size_t input,
                            const char* label) {
  if (!Has(context, input))
    return WrongInput(context, input, label, "byte codes");
  const TensorType& type = context.inputs[input].type;
  if (type.dtype != DType::kCode || !IsByteEncoding(type.code.encoding) ||
      OperandOf(type.code) == kernels::Operand::kF32 ||
      type.shape.rank() == 0 || type.shape.Last() == 0) {
    return WrongInput(context, input, label,
                      "byte codes of at least one column");
  }
  return {};
}

Result<ScalePer> ReadScalePer(const InferContext& context, bool rows) {
  const std::string_view per = context.String("per", "tensor");
  if (per == "tensor") return ScalePer::kTensor;
  if (per == "column") return ScalePer::kColumn;
  if (per == "row" && rows) return ScalePer::kRow;
  return WrongAttribute(context, "per", "'" + std::string(per) + "'",
                        rows ? "tensor, column or row" : "tensor or column");
}

Shape ScaleShape(ScalePer per, Shape shape) {
  if (per == ScalePer::kTensor) return {1};
  if (per == ScalePer::kColumn) return {shape.Last()};
  shape[shape.rank() - 1] = 1;
  return shape;
}

Result<void> CheckIntegerZeros(const InferContext& context, const char* label,
                               std::span<const float> zeros) {
  for (const float z : zeros) {
    if (z == IntegerZero(z)) continue;
    return context.Fail(std::string("input ") + label + ": got " +
                        std::to_string(z) + ", expected integers within 2^15");
  }
  return {};
}

Result<CodeType> ByteQuantiserSpec::ReadRange(const InferContext& context) {
  const int64_t lo = context.Int("lo", 0), hi = context.Int("hi", -1);
  const auto wrong = [&](const char* expected) {
    return WrongAttribute(context, "lo and hi",
                          std::to_string(lo) + " and " + std::to_string(hi),
                          expected);
  };
  const CodeType code = NarrowestCode(lo, hi);
  if (lo > hi || code.bits == 0)
    return wrong("a range within 0 to 255 or -128 to 127");
  quantiser_.lo = static_cast<int32_t>(lo);
  quantiser_.hi = static_cast<int32_t>(hi);
  if (context.Int("bipolar2", 0) == 0) return code;
  if (lo != 0 || hi != 3) return wrong("0 and 3 for bipolar2");
  quantiser_.step = 2;
  quantiser_.offset = -3;
  return CodeType{Encoding::kBipolar2Bytes, 2, 0};
}

Result<void> ByteQuantiserSpec::ReadScales(const InferContext& context,
                                           const Shape& shape) {
  const auto& [scale, zero, scale_label, zero_label, fused, output] = inputs_;
  const bool after =
      quantiser_.zero_place == kernels::ZeroPointPlace::kAfterRounding;
  const auto is_constant = [&context](size_t input) {
    return Has(context, input) && context.inputs[input].constant != nullptr;
  };
  const Shape scales = ScaleShape(quantiser_.per, shape);
  const bool columns = quantiser_.per == ScalePer::kColumn;
  const auto check = fused ? &CheckConstant : &CheckIs;
  if (columns && is_constant(scale)) {
    BITTERN_TRY(scale_.Read(context, scale, scale_label, shape.Last(), false));
  } else {
    BITTERN_TRY(check(context, scale, scale_label, DType::kF32, scales));
  }
  known_columns_ = columns && is_constant(scale) &&
                   (!Has(context, zero) || is_constant(zero));
  if (!Has(context, zero)) return {};
  std::span<const float> zeros;
  if (columns && is_constant(zero)) {
    BITTERN_TRY(zero_.Read(context, zero, zero_label, shape.Last(), true));
    zeros = {zero_.data(), static_cast<size_t>(shape.Last())};
  } else {
    BITTERN_TRY(check(context, zero, zero_label, DType::kF32, scales));
    if (is_constant(zero)) zeros = context.inputs[zero].Values<float>();
  }
  if (!after) return {};
  if (is_constant(zero)) return CheckIntegerZeros(context, zero_label, zeros);
  repaired_ = static_cast<size_t>(scales.Elements());
  return {};
}

Result<void> ByteQuantiserSpec::Infer(const InferContext& context,
                                      const Inputs& inputs,
                                      const Shape& shape) {
  inputs_ = inputs;
  quantiser_ = {};
  scale_ = zero_ = {};
  repaired_ = 0;
  BITTERN_TRY_ASSIGN(quantiser_.per, ReadScalePer(context, !inputs.fused));
  BITTERN_TRY_ASSIGN(const CodeType code, ReadRange(context));
  quantiser_.multiply = context.Int("multiply", 0) != 0;
  if (context.Int("zero_after", 0) != 0)
    quantiser_.zero_place = kernels::ZeroPointPlace::kAfterRounding;
  if (shape.rank() == 0 || shape.Last() == 0) {
    return context.Fail("codes: got shape " + ToString(shape) +
                        ", expected a last dimension of 1 or more");
  }
  BITTERN_TRY(ReadScales(context, shape));
  BITTERN_TRY(SetOutput(context, inputs.output, DType::kCode, shape));
  context.outputs[inputs.output].code = code;
  return {};
}

bool ByteQuantiserSpec::IsSameForRows() const {
  return quantiser_.per == kernels::ScalePer::kTensor || known_columns_;
}

void ByteQuantiserSpec::Repeat(size_t columns, size_t times) {
  scale_.Repeat(columns, times);
  zero_.Repeat(columns, times);
}

size_t ByteQuantiserSpec::ScratchBytes() const {
  return AlignUp64(repaired_ * sizeof(float));
}

kernels::ByteQuantiser ByteQuantiserSpec::MakeRunnable(
    const RunContext& context, uint8_t* scratch) const noexcept {
  kernels::ByteQuantiser quantiser = quantiser_;
  quantiser.scale = scale_.data() != nullptr
                        ? scale_.data()
                        : RunInput<float>(context, inputs_.scale);
  quantiser.zero = zero_.data() != nullptr
                       ? zero_.data()
                       : RunInput<float>(context, inputs_.zero);
  if (repaired_ == 0) return quantiser;
  auto* zeros = reinterpret_cast<float*>(scratch);
  for (size_t i = 0; i < repaired_; ++i)
    zeros[i] = IntegerZero(quantiser.zero[i]);
  quantiser.zero = zeros;
  return quantiser;
}

}  // namespace bittern::runtime
