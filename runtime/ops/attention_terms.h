// What an attention adds to its scores: a bias for each head and a mask for
// each window, written out or as tables with index maps. A window of M x M
// tokens has (2M - 1)^2 distinct biases for its M^4 pairs and, shifted, four
// distinct masks: a file keeps those. README.md has the definition.
#pragma once

#include <memory>

#include "kernels/attention/attention_codes.h"
#include "runtime/base/aligned_buffer.h"
#include "runtime/ops/attention_size.h"

namespace bittern::runtime {

class AttentionTerms {
 public:
  // Which inputs of the op they are; all are optional.
  struct Inputs {
    size_t bias, mask, bias_index, mask_index;
  };

  Result<void> Infer(const InferContext& context, const Inputs& inputs,
                     const AttentionSize& size);
  // Writes a bias table out once per model: kernels read rows of scores.
  Result<void> Prepare(const PrepareContext& context);
  // The terms of batch entry `batch`.
  void Set(const RunContext& context, size_t batch,
           kernels::CodeAttentionArgs& args) const noexcept;

 private:
  Result<void> InferBias(const InferContext& context);
  Result<void> InferMask(const InferContext& context);

  Inputs inputs_ = {};
  AttentionSize size_;
  size_t windows_ = 0;                         // 0: no mask
  std::shared_ptr<const AlignedBuffer> bias_;  // if it is a table in the file
};

}  // namespace bittern::runtime
