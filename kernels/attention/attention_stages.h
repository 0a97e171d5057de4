// The stages of streamed attention, as functions that a kernel file may
// replace: packing, query words, two bit products (integers), the probability
// rows (floats -> bits) and the output rows. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_layout.h"
#include "kernels/base/cpu.h"
#include "kernels/base/sign_window.h"

namespace bittern::kernels {

inline constexpr size_t kQueryRows =
    4;  // query rows that go through the stages together

// Left operand of a bit product.
struct BitRows {
  uint32_t* sign;            // [rows][stride]; words as in LaneMatrix
  uint32_t* valid;           // likewise
  size_t stride;             // even
  size_t rows;               // 1 .. kQueryRows
  int32_t base[kQueryRows];  // row_base of attention_layout.h
  bool has_zeros;            // some code of some row is zero
};

// exp over a run of scores, kept for the rows of a head that have the same best
// score: exps[slot][i] belongs to the score best[slot] - i * step. A kernel may
// use it or not.
inline constexpr size_t kExpTables = 16;
inline constexpr size_t kExpEntries = 64;
struct ExpCache {
  float* exps;          // [kExpTables][kExpEntries]
  int32_t* best;        // [kExpTables]
  int32_t step = 0;     // of the filled tables
  uint32_t filled = 0;  // bit i: table i is valid
};

// What the probability stage needs of a head.
struct ProbabilityArgs {
  float score_scale;
  int32_t zv;
  SignQuantiser quantiser;
  size_t keys;
  size_t lanes;      // keys in whole blocks of 16
  bool same_parity;  // the scores of a row are all even or all odd
  ExpCache* cache;
};

struct AttentionStages {
  // Fills the AttentionBlock of head h.
  void (*pack)(const AttentionArgs& args, size_t h, void* block) noexcept;
  // Words of query rows [row, row + q->rows) of head h, base = -zk * sum of the
  // codes, has_zeros.
  void (*queries)(const AttentionArgs& args, size_t h, size_t row, BitRows* q);
  // out[r][lane] of attention_layout.h, rows of b.lanes() integers; lanes of
  // padding hold anything.
  void (*product)(const BitRows& a, const LaneMatrix& b, int32_t* out);
  // scores [rows][lanes] -> codes: sign, valid, base = -zv * sum of the codes,
  // has_zeros. `exps`: scratch [rows][lanes].
  void (*probabilities)(const ProbabilityArgs& args, int32_t* scores,
                        float* exps, BitRows* codes);
  // exps[i] = exp(fl(fl((best - i * step) * scale) - fl(best * scale))), i <
  // kExpEntries.
  void (*fill_exps)(float scale, int32_t best, int32_t step, float* exps);
  // One head of output rows: out [rows][blocks of 16] -> codes (ORed into
  // zeroed words, counted) or floats.
  void (*store)(const AttentionArgs& args, size_t h, size_t row, size_t rows,
                const int32_t* out);
};

// All stages in Highway code, for the best target that `cpu` allows.
const AttentionStages& AttentionHwyStages(const CpuFeatures& cpu);

// The probability stage of attention_table_avx512.cc, and its copy over SIMDe.
void TableProbabilities(const ProbabilityArgs& args, int32_t* scores,
                        float* exps, BitRows* codes);
void TableProbabilitiesSimde(const ProbabilityArgs& args, int32_t* scores,
                             float* exps, BitRows* codes);

struct QueryRows {
  size_t row, rows;
};

size_t AttentionScratchBytes(size_t keys, size_t head_dim) noexcept;
// Zeroes the code output of the rows, if that is what is asked for.
void ClearAttentionCodes(const AttentionArgs& args,
                         const QueryRows& part) noexcept;
// One head of the rows; `prepared` is its AttentionBlock.
void RunAttentionHead(const AttentionStages& stages, const AttentionArgs& args,
                      size_t h, const QueryRows& part, void* prepared,
                      void* scratch) noexcept;
// All heads, their blocks one after the other in args.prepared.
void PrepareAttention(const AttentionStages& stages, const AttentionArgs& args,
                      size_t h) noexcept;
void RunAttention(const AttentionStages& stages, const AttentionArgs& args,
                  size_t row, size_t rows, void* scratch) noexcept;

}  // namespace bittern::kernels
