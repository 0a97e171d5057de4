#include "converter/passes/low_bit_product.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "converter/passes/fold_input_scales.h"
#include "converter/passes/low_bit_linear.h"
#include "kernels/gemm/gemm.h"

namespace bittern::convert {
namespace {

using Kind = Activation::Kind;

// Zero points made at run time are codes or near them.
constexpr int64_t kMaxRunTimeZero = 1 << 8;

std::vector<int64_t> RowSums(const std::vector<int16_t>& values, size_t n) {
  std::vector<int64_t> sums(n);
  const size_t k = values.size() / n;
  for (size_t i = 0; i < values.size(); ++i) sums[i / k] += values[i];
  return sums;
}

// What zero points take from each channel's sum: one for all columns, or one
// for each.
std::vector<int32_t> ZeroTerms(const std::vector<float>& zero,
                               const std::vector<int16_t>& values, size_t n) {
  const size_t k = values.size() / n;
  std::vector<int32_t> terms(n);
  for (size_t j = 0; j < n; ++j) {
    int64_t sum = 0;
    for (size_t i = 0; i < k; ++i) {
      sum -= static_cast<int64_t>(zero.size() == 1 ? zero[0] : zero[i]) *
             values[j * k + i];
    }
    terms[j] = static_cast<int32_t>(sum);
  }
  return terms;
}

}  // namespace

Result<ValueId> AddCodes(Graph& graph, const std::string& name,
                         const runtime::CodeType& code,
                         const std::vector<int16_t>& values, int64_t n) {
  const auto rows = static_cast<size_t>(n);
  const size_t k = values.size() / rows;
  const TensorType type{
      runtime::DType::kCode, {n, static_cast<int64_t>(k)}, code};
  BITTERN_TRY_ASSIGN(runtime::AlignedBuffer buffer,
                     runtime::AlignedBuffer::Make(runtime::ByteSize(type)));
  const kernels::Operand operand = runtime::OperandOf(code);
  for (size_t j = 0; j < rows; ++j) {
    for (size_t i = 0; i < k; ++i) {
      kernels::PutValue(buffer.data(), operand, k, j, i, values[j * k + i]);
    }
  }
  return graph.AddConstant(
      name, type,
      std::make_shared<const runtime::AlignedBuffer>(std::move(buffer)));
}

bool SumsFit(const Graph& graph, const Activation& a,
             const runtime::CodeType& weights, int64_t k) {
  const kernels::GemmTypes types{
      runtime::OperandOf(weights),
      runtime::OperandOf(graph.value(a.codes).type->code)};
  return static_cast<size_t>(k) <= kernels::MaxK(types, 32);
}

std::string CheckRange(const Graph& graph, const Activation& a,
                       const WeightCodes& w, int64_t k) {
  if (k > kMaxK) return fmt::format("more than {} inputs a channel", kMaxK);
  if (a.kind == Kind::kFloat || a.kind == Kind::kColumn) {
    return w.type.bits <= 8 ? "" : "weights of more than 8 bits";
  }
  int64_t zero = 0;
  if (a.kind == Kind::kTensor) {
    for (float z : a.zero) {
      zero = std::max(zero, std::abs(static_cast<int64_t>(z)));
    }
  } else if (a.row_zero != kNone) {
    zero = kMaxRunTimeZero;
    for (float z : graph.F32(a.row_zero)) {  // none if it is made at run time
      zero = std::max(zero, static_cast<int64_t>(std::fabs(z)));
    }
  }
  const auto [lo, hi] = std::minmax_element(w.values.begin(), w.values.end());
  const int64_t weight = std::max({1, -int{*lo}, int{*hi}});
  const int64_t largest = weight * (a.range.MaxAbs() + zero);
  if (SumsFit(graph, a, w.type, k) && zero <= INT32_MAX &&
      largest <= INT32_MAX / k) {
    return "";
  }
  return "sums of its codes need more than 32 bits";
}

Result<void> AddZeroPoints(Graph& graph, const std::string& weight,
                           const Activation& a, const WeightCodes& weights,
                           std::vector<ValueId>& inputs) {
  const size_t n = weights.scales.size();
  const bool has_zero =
      std::any_of(a.zero.begin(), a.zero.end(), [](float z) { return z != 0; });
  if (a.kind == Kind::kTensor && has_zero) {
    BITTERN_TRY_ASSIGN(inputs[kCorrectionInput],
                       AddI32(graph, weight + ".correction",
                              ZeroTerms(a.zero, weights.values, n)));
  }
  if (a.kind != Kind::kRow) return {};
  inputs[kRowScaleInput] = a.row_scale;
  if (a.row_zero == kNone) return {};
  const std::string name = graph.value(a.row_zero).name;
  BITTERN_TRY_ASSIGN(
      const ValueId negative,
      Emit(graph, "Neg", name, {a.row_zero}, {}, name + ".negative"));
  BITTERN_TRY_ASSIGN(inputs[kRowTermInput],
                     Emit(graph, "Cast", name, {negative},
                          {{"to", std::string("i32")}}, name + ".i32"));
  std::vector<int32_t> terms;
  for (int64_t sum : RowSums(weights.values, n)) {
    terms.push_back(static_cast<int32_t>(sum));
  }
  BITTERN_TRY_ASSIGN(inputs[kColumnTermInput],
                     AddI32(graph, weight + ".sums", terms));
  return {};
}

std::string PatternOf(const Graph& graph, const PassContext& context,
                      const Activation& a) {
  if (a.codes == kNone) return "";
  const auto found = context.patterns.find(graph.value(a.codes).name);
  if (found != context.patterns.end()) return found->second + " + ";
  if (a.kind == Kind::kRow) return "A7+A12 + ";
  const bool plain =
      a.scale == std::vector<float>{1.0f} && a.zero == std::vector<float>{0.0f};
  return plain ? "A7 + " : "A9 + ";
}

InputScale ModeFor(const Graph& graph, const PassContext& context,
                   const Activation& activation, int64_t k) {
  const InputScale mode = context.options.input_scale;
  if (mode == InputScale::kExact ||
      SumsFit(graph, activation, FoldedType(mode), k)) {
    return mode;
  }
  return InputScale::kExact;
}

const char* NameOf(InputScale mode) {
  return mode == InputScale::kExact    ? "exact"
         : mode == InputScale::kFast16 ? "fast16"
                                       : "fast8";
}

}  // namespace bittern::convert
