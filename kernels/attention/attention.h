// Binary attention of Bi-ViT (models: per-head affine two-level q, k, v and
// probabilities), one head at a time, streamed:
//   S[i][j]  = sum_c (q[i][c] - zq)(k[j][c] - zk)                       exact
//   integer t        = fl(float(S) * score_scale); p = softmax over j of t
//   float semantics in kernels/README.md c[i][j]  = sign(fl(fl(p / ap) + zp))
//   O[i][d]  = sum_j (c[i][j] - zp)(v[j][d] - zv)                       exact
//   integer code out = sign(fl(float(O) * out_scale)), or float out =
//   fl(float(O) * out_scale)
// Codes may be exactly zero in q, k, v and c. Zero points are integers of
// either sign.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

struct AttentionHead {
  float score_scale;
  int32_t zq, zk, zp, zv;
  float ap;
  float out_scale;
};

struct AttentionArgs {
  // rows = tokens, cols = heads * head_dim, group = head_dim; head h is group
  // h.
  CodePlanes q;
  CodePlanes k;
  CodePlanes v;
  size_t heads;
  size_t head_dim;
  const AttentionHead* head;  // [heads]
  // Exactly one output: code planes (rows = tokens, one group of heads *
  // head_dim columns, so head h starts at bit h * head_dim), or fp32
  // [tokens][heads * head_dim].
  CodePlanes out_codes;
  float* out_f32;
  void* prepared;  // [heads] blocks of prepared_bytes, aligned to 64
};

// Intermediate integers of one head, written by the reference only: for oracle
// tests.
struct AttentionTaps {
  int32_t* scores;  // [tokens_q][tokens_k] S
  int8_t* probs;    // [tokens_q][tokens_k] c
  int32_t* out;     // [tokens_q][head_dim] O
};

struct AttentionKernel {
  const char* name;
  uint32_t needs;  // CpuBit set
  size_t (*prepared_bytes)(size_t keys, size_t head_dim) noexcept;  // per head
  size_t (*scratch_bytes)(size_t keys, size_t head_dim) noexcept;  // per thread
  // Brings k and v of head h into the kernel's layout. Heads may be prepared in
  // parallel.
  void (*prepare)(const AttentionArgs& args, size_t h) noexcept;
  // Query rows [row, row + rows) of all heads (so that whole words of the code
  // output are written by one call); after prepare.
  void (*run)(const AttentionArgs& args, size_t row, size_t rows,
              void* scratch) noexcept;
  double (*cycles)(size_t tokens, size_t heads, size_t head_dim) noexcept;
  bool is_reference;
};

std::vector<const AttentionKernel*> AttentionKernels(
    const CpuFeatures& cpu);  // reference first
const AttentionKernel* SelectAttention(size_t tokens, size_t heads,
                                       size_t head_dim, const CpuFeatures& cpu);

// Plain-loop reference of one head with taps (any tap pointer may be null).
void AttentionReferenceHead(const AttentionArgs& args, size_t h,
                            const AttentionTaps& taps) noexcept;

}  // namespace bittern::kernels
