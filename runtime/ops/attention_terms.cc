#include "runtime/ops/attention_terms.h"

#include <algorithm>
#include <string>

namespace bittern::runtime {
namespace {

// The input is a constant i32 of this shape and each value an index below
// `count`.
Result<void> CheckIndexMap(const InferContext& context, size_t input,
                           const char* label, const Shape& shape,
                           int64_t count) {
  BITTERN_TRY(CheckConstant(context, input, label, DType::kI32, shape));
  for (const int32_t index : context.inputs[input].Values<int32_t>()) {
    if (index >= 0 && index < count) continue;
    return context.Fail("input " + std::string(label) + ": got " +
                        std::to_string(index) + ", expected 0 to " +
                        std::to_string(count - 1));
  }
  return {};
}

}  // namespace

Result<void> AttentionTerms::Infer(const InferContext& context,
                                   const Inputs& inputs,
                                   const AttentionSize& size) {
  inputs_ = inputs;
  size_ = size;
  BITTERN_TRY(InferBias(context));
  return InferMask(context);
}

Result<void> AttentionTerms::InferBias(const InferContext& context) {
  const Shape pairs{static_cast<int64_t>(size_.queries),
                    static_cast<int64_t>(size_.keys)};
  const auto heads = static_cast<int64_t>(size_.heads);
  if (!Has(context, inputs_.bias)) {
    if (!Has(context, inputs_.bias_index)) return {};
    return WrongInput(context, inputs_.bias_index, "bias_index",
                      "nothing without a bias");
  }
  const Shape scores{heads, pairs[0], pairs[1]};
  if (!Has(context, inputs_.bias_index))
    return CheckIs(context, inputs_.bias, "bias", DType::kF32, scores);
  const Shape& table = context.inputs[inputs_.bias].type.shape;
  const int64_t entries =
      table.rank() > 0 ? std::max<int64_t>(table.Last(), 1) : 1;
  BITTERN_TRY(CheckConstant(context, inputs_.bias, "bias", DType::kF32,
                            {heads, entries}));
  BITTERN_TRY_ASSIGN([[maybe_unused]] const int64_t elements,
                     CheckedElements(scores));
  return CheckIndexMap(context, inputs_.bias_index, "bias_index", pairs,
                       entries);
}

Result<void> AttentionTerms::InferMask(const InferContext& context) {
  windows_ = 0;
  const bool mapped = Has(context, inputs_.mask_index);
  if (!Has(context, inputs_.mask)) {
    if (!mapped) return {};
    return WrongInput(context, inputs_.mask_index, "mask_index",
                      "nothing without a mask");
  }
  const Shape& mask = context.inputs[inputs_.mask].type.shape;
  const int64_t masks = mask.rank() > 0 ? std::max<int64_t>(mask[0], 1) : 1;
  BITTERN_TRY(CheckIs(context, inputs_.mask, "mask", DType::kF32,
                      {masks, static_cast<int64_t>(size_.queries),
                       static_cast<int64_t>(size_.keys)}));
  windows_ = static_cast<size_t>(masks);
  if (!mapped) return {};
  const Shape& index = context.inputs[inputs_.mask_index].type.shape;
  const int64_t windows = index.rank() > 0 ? std::max<int64_t>(index[0], 1) : 1;
  windows_ = static_cast<size_t>(windows);
  return CheckIndexMap(context, inputs_.mask_index, "mask_index", {windows},
                       masks);
}

Result<void> AttentionTerms::Prepare(const PrepareContext& context) {
  bias_.reset();
  if (!Has(context, inputs_.bias_index)) return {};
  const InputInfo& table = context.inputs[inputs_.bias];
  const InputInfo& map = context.inputs[inputs_.bias_index];
  const auto write_out = [&](void* out) {
    const auto entries = static_cast<size_t>(table.type.shape.Last());
    auto* to = static_cast<float*>(out);
    for (size_t h = 0; h < size_.heads; ++h) {
      const float* row = table.Values<float>().data() + h * entries;
      for (const int32_t index : map.Values<int32_t>())
        *to++ = row[static_cast<size_t>(index)];
    }
  };
  BITTERN_TRY_ASSIGN(
      bias_,
      context.model.Packed(
          table.tensor, "bias through tensor " + std::to_string(map.tensor),
          size_.heads * size_.queries * size_.keys * sizeof(float), write_out));
  return {};
}

void AttentionTerms::Set(const RunContext& context, size_t batch,
                         kernels::CodeAttentionArgs& args) const noexcept {
  const auto row = static_cast<ptrdiff_t>(size_.keys * sizeof(float));
  const float* bias = bias_ != nullptr
                          ? reinterpret_cast<const float*>(bias_->data())
                          : RunInput<float>(context, inputs_.bias);
  args.bias = {bias, row * static_cast<ptrdiff_t>(size_.queries), row};
  if (windows_ == 0) return;
  size_t mask = batch % windows_;
  if (const auto* index = RunInput<int32_t>(context, inputs_.mask_index))
    mask = static_cast<size_t>(index[mask]);
  args.mask = {RunInput<float>(context, inputs_.mask) +
                   mask * size_.queries * size_.keys,
               0, row};
}

}  // namespace bittern::runtime
