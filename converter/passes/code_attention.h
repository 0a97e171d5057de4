// Inputs of CodeAttention nodes, by name (runtime/ops/README.md).
#pragma once

#include <cstddef>

namespace bittern::convert {

enum CodeAttentionInput : size_t {
  kAttentionQ,
  kAttentionK,
  kAttentionV,
  kAttentionScoreScale,
  kAttentionZq,
  kAttentionZk,
  kAttentionZv,
  kAttentionOutScale,
  kAttentionPScale,
  kAttentionPZero,
  kAttentionBias,
  kAttentionMask,
  kAttentionA,
  kAttentionZ,
  kAttentionZp,
  kAttentionBiasIndex,
  kAttentionMaskIndex,
  kAttentionInputs,
};

}  // namespace bittern::convert
