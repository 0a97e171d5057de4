// What the attention ops have in common: the sizes that q, k and v agree on.
#pragma once

#include "runtime/ops/infer.h"

namespace bittern::runtime {

struct AttentionSize {
  size_t batches = 0, queries = 0, keys = 0, heads = 0, head_dim = 0;
};

// The sizes of q [..., queries, heads * head_dim] and of k and v [..., keys,
// heads * head_dim], the inputs 0, 1 and 2, each of rank 2 or more; an error
// where they do not fit. The caller has checked that `heads` divides the last
// dimension of q.
Result<AttentionSize> CheckAttentionSize(const InferContext& context,
                                         int64_t heads);

}  // namespace bittern::runtime
