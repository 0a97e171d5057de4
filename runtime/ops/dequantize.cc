// Dequantize: sign codes to fl((c - z) * a) with a and z per group (inputs 1
// and 2, or neither: the codes themselves), byte codes to fl(fl(v - zero) *
// scale), weights to fl(v * scale[n]).
#include "kernels/base/math_reference.h"
#include "kernels/quantize/bytes.h"
#include "kernels/quantize/quantize.h"
#include "runtime/ops/byte_codes.h"
#include "runtime/ops/codes.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

enum Input : size_t { kCodes, kScale, kZero };

class DequantizeOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override {
    signs_ = kernels::SelectQuantize(context.cpu);
    bytes_ = kernels::SelectBytes(context.cpu);
    return {};
  }
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override {
    return kind_ == Kind::kSigns   ? signs_->name
           : kind_ == Kind::kBytes ? bytes_->name
                                   : "plain";
  }

 private:
  enum class Kind : uint8_t { kSigns, kBytes, kWeights };
  Result<void> CheckWeights(const InferContext& context);
  Result<void> ReadLevels(const InferContext& context);
  void JoinRows(const InferContext& context);
  void Rows(const RunContext& context, size_t begin, size_t end) const;
  void Weights(const RunContext& context, size_t begin, size_t end) const;

  Kind kind_ = Kind::kSigns;
  TensorType type_;
  ByteLayout layout_;
  kernels::ScalePer per_ = kernels::ScalePer::kTensor;
  ColumnValues scale_, zero_;  // of constants for columns
  const kernels::QuantizeKernel* signs_ = nullptr;
  const kernels::ByteKernel* bytes_ = nullptr;
};

Result<void> DequantizeOp::CheckWeights(const InferContext& context) {
  if (type_.shape.rank() != 2)
    return WrongInput(context, kCodes, "codes", "rank 2");
  BITTERN_TRY(
      CheckIs(context, kScale, "scale", DType::kF32, Shape{type_.shape[0]}));
  if (Has(context, kZero))
    return WrongInput(context, kZero, "zero", "nothing for weights");
  return {};
}

Result<void> DequantizeOp::ReadLevels(const InferContext& context) {
  const Shape scales = ScaleShape(per_, type_.shape);
  scale_ = zero_ = {};
  for (const size_t input : {kScale, kZero}) {
    if (input == kZero && !Has(context, kZero)) continue;
    const char* label = input == kScale ? "scale" : "zero";
    if (per_ == kernels::ScalePer::kColumn && Has(context, input) &&
        context.inputs[input].constant != nullptr) {
      ColumnValues& values = input == kScale ? scale_ : zero_;
      BITTERN_TRY(values.Read(context, input, label, type_.shape.Last(),
                              input == kZero));
    } else {
      BITTERN_TRY(CheckIs(context, input, label, DType::kF32, scales));
    }
  }
  return {};
}

// Rows of few columns are taken together where their levels are known.
void DequantizeOp::JoinRows(const InferContext& context) {
  layout_ = ByteLayout(type_);
  const bool zero = Has(context, kZero);
  if (per_ != kernels::ScalePer::kColumn || scale_.data() == nullptr ||
      (zero && zero_.data() == nullptr)) {
    return;
  }
  const size_t columns = layout_.cols, times = layout_.JoinRows();
  scale_.Repeat(columns, times);
  zero_.Repeat(columns, times);
}

Result<void> DequantizeOp::Infer(const InferContext& context) {
  type_ = Has(context, kCodes) ? context.inputs[kCodes].type : TensorType();
  const Encoding encoding = type_.code.encoding;
  kind_ = IsByteEncoding(encoding)     ? Kind::kBytes
          : IsWeightEncoding(encoding) ? Kind::kWeights
                                       : Kind::kSigns;
  if (kind_ != Kind::kBytes && context.def.attributes.contains("per")) {
    return WrongAttribute(context, "per", "one", "none but for byte codes");
  }
  if (kind_ == Kind::kSigns) {
    BITTERN_TRY(CheckSignCodes(context, kCodes, "codes"));
    BITTERN_TRY(CheckQuantizer(context, kScale, type_.shape.Last(),
                               GroupOf(type_), false));
  } else if (kind_ == Kind::kWeights) {
    BITTERN_TRY(CheckWeights(context));
  } else {
    BITTERN_TRY(CheckByteCodes(context, kCodes, "codes"));
    BITTERN_TRY_ASSIGN(per_, ReadScalePer(context, true));
    BITTERN_TRY(ReadLevels(context));
    JoinRows(context);
  }
  return SetOutput(context, 0, DType::kF32, type_.shape);
}

void DequantizeOp::Weights(const RunContext& context, size_t begin,
                           size_t end) const {
  const auto cols = static_cast<size_t>(type_.shape.Last());
  const kernels::CodeMatrix codes{context.inputs[kCodes], OperandOf(type_.code),
                                  static_cast<size_t>(type_.shape[0]), cols};
  const auto* scale = RunInput<float>(context, kScale);
  for (size_t row = begin; row < end; ++row) {
    float* out = RunOutput<float>(context, 0) + row * cols;
    for (size_t i = 0; i < cols; ++i) {
      const auto value = static_cast<float>(kernels::ValueAt(codes, row, i));
      out[i] = kernels::CanonicalReference(value * scale[row]);
    }
  }
}

void DequantizeOp::Rows(const RunContext& context, size_t begin,
                        size_t end) const {
  const size_t cols = kind_ == Kind::kBytes
                          ? layout_.cols
                          : static_cast<size_t>(type_.shape.Last());
  const auto stride = static_cast<ptrdiff_t>(cols * sizeof(float));
  const auto* scale = scale_.data() != nullptr
                          ? scale_.data()
                          : RunInput<float>(context, kScale);
  const auto* zero =
      zero_.data() != nullptr ? zero_.data() : RunInput<float>(context, kZero);
  auto* out = RunOutput<float>(context, 0);
  if (kind_ == Kind::kSigns) {
    signs_->dequantize(CodeLayout(type_).View(context.inputs[kCodes]), scale,
                       zero, out, stride, begin, end - begin);
  } else {
    bytes_->dequantize({layout_.View(context.inputs[kCodes]),
                        type_.code.encoding != Encoding::kUnsignedBytes, per_,
                        scale, zero, out, stride},
                       begin, end - begin);
  }
}

void DequantizeOp::Run(const RunContext& context) const noexcept {
  const ByteLayout rows = kind_ == Kind::kBytes ? layout_ : ByteLayout(type_);
  context.pool->For(rows.rows, Grain(rows.cols, 4),
                    [&](size_t, size_t begin, size_t end) {
                      if (kind_ == Kind::kWeights)
                        Weights(context, begin, end);
                      else
                        Rows(context, begin, end);
                    });
}

constexpr AttributeSpec kAttributes[] = {
    {"per", AttributeKind::kString, false}};

}  // namespace

constinit const OpInfo kDequantizeOp =
    SimpleOpInfo("Dequantize", 1, 3, kAttributes, &CreateOp<DequantizeOp>);

}  // namespace bittern::runtime
