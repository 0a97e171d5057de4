// Attention on multi-bit codes (one code a byte), one head at a time, streamed:
//   S[i][j] = sum_c (q[i][c] - zq)(k[j][c] - zk)                        exact
//   t[i][j] = fl(fl(float(S) * score_scale) + bias[i][j]) + mask[i][j]
//   p[i]    = softmax of t[i] over the keys, or t[i] itself
//   c[i][j] = the byte that the head's quantiser gives for p[i][j]
//   O[i][d] = sum_j (c[i][j] - zp)(v[j][d] - zv)                        exact
//   y[i][d] = fl(float(O) * out_scale), as fp32 or as quantised bytes
// Without a quantiser, O is one fma chain of p[i][j] * (v[j][d] - zv) over j
// ascending, from +0. Floats follow kernels/README.md; a missing bias or mask
// is not added. Queries and keys may differ in number (cross attention).
// Range: |S|, |O| <= (255 + |z|)^2 terms must fit int32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/byte_quantiser.h"
#include "kernels/base/code_matrix.h"
#include "kernels/base/code_steps.h"
#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

struct CodeAttentionHead {
  float score_scale;
  int32_t zq, zk, zv;
  int32_t zp;  // of the byte that stands for a probability
  float out_scale;
  // Null: probabilities stay fp32. Else ScalePer::kTensor, with bytes in [0,
  // 255]: {0, 1} attention is lo = 0, hi = 1.
  const ByteQuantiser* probs;
  CodeSteps steps{};  // of probs; those that are not exact are not used
};

// fp32 [heads][queries][keys]; a stride of 0 shares heads or rows.
struct ScoreTerm {
  const float* data = nullptr;
  ptrdiff_t head_stride = 0;  // bytes
  ptrdiff_t row_stride = 0;
};

struct CodeAttentionArgs {
  // rows = tokens, cols = heads * head_dim; the types are byte codes (kU*,
  // kS*), whose range the codes keep.
  CodeBytes q, k, v;
  Operand q_type, k_type, v_type;
  size_t heads, head_dim;
  const CodeAttentionHead* head;  // [heads]
  bool softmax = true;
  ScoreTerm bias, mask;
  // Exactly one output, both [queries][heads * head_dim].
  float* out_f32 = nullptr;
  CodeBytes out_codes{};
  const ByteQuantiser* out_quantiser = nullptr;
  void* prepared = nullptr;  // [heads] blocks of prepared_bytes, aligned to 64
};

// What a kernel is chosen for.
struct CodeAttentionQuery {
  Operand q_type, k_type, v_type;
  int32_t prob_max;  // the greatest probability byte; 0: probabilities in fp32
  size_t queries, keys, heads, head_dim;
};

struct CodeAttentionKernel {
  const char* name;
  uint32_t needs;  // CpuBit set
  // The codes' ranges suit the kernel's arithmetic. Every kernel takes any
  // shape.
  bool (*supports)(const CodeAttentionQuery& query) noexcept;
  size_t (*prepared_bytes)(size_t keys, size_t head_dim) noexcept;  // per head
  size_t (*scratch_bytes)(size_t keys, size_t head_dim) noexcept;  // per thread
  // Brings k and v of head h into the kernel's layout. Heads may be prepared in
  // parallel.
  void (*prepare)(const CodeAttentionArgs& args, size_t h) noexcept;
  // Query rows [row, row + rows) of all heads; after prepare.
  void (*run)(const CodeAttentionArgs& args, size_t row, size_t rows,
              void* scratch) noexcept;
  double (*cycles)(const CodeAttentionQuery& query) noexcept;
  bool is_reference;
};

std::vector<const CodeAttentionKernel*> CodeAttentionKernels(
    const CpuFeatures& cpu);  // reference first
// The supported kernel with the fewest predicted cycles; never null.
const CodeAttentionKernel* SelectCodeAttention(const CodeAttentionQuery& query,
                                               const CpuFeatures& cpu);

}  // namespace bittern::kernels
