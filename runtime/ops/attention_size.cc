#include "runtime/ops/attention_size.h"

namespace bittern::runtime {

Result<AttentionSize> CheckAttentionSize(const InferContext& context,
                                         int64_t heads) {
  const Shape &q = context.inputs[0].type.shape,
              &k = context.inputs[1].type.shape,
              &v = context.inputs[2].type.shape;
  Shape expected = q;
  expected[q.rank() - 2] = k.rank() == q.rank() ? k[q.rank() - 2] : 0;
  if (k != expected || k[k.rank() - 2] < 1) {
    return WrongInput(
        context, 1, "k",
        "the shape of q, " + ToString(q) + ", but for the number of keys");
  }
  if (v != k)
    return WrongInput(context, 2, "v", "the shape of k, " + ToString(k));
  const auto keys = static_cast<size_t>(k[k.rank() - 2]);
  return AttentionSize{static_cast<size_t>(k.Leading()) / keys,
                       static_cast<size_t>(q[q.rank() - 2]), keys,
                       static_cast<size_t>(heads),
                       static_cast<size_t>(q.Last() / heads)};
}

}  // namespace bittern::runtime
