// The parts of streamed attention on codes: the layout of a prepared head, the
// scratch of a thread, and the stages. A kernel file brings the integer product
// of both matrix multiplications; the rest is Highway code. Private to this
// folder.
//
// Both products are the same operation: rows of unsigned bytes a times signed
// bytes b whose columns stand in lanes,
//   out[r][lane] = base[lane] + row_base[r] + sum_k a[r][k] b[k][lane].
// Codes of other signedness are moved by an offset, which moves their zero
// point:  (a - za) = (a' - za'), a' = a + oa, za' = za + oa. The zero points
// then enter through row and lane constants only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention_codes.h"
#include "kernels/base/bits.h"

namespace bittern::kernels {

inline constexpr size_t kCodeRows = 4;  // query rows in flight
inline constexpr size_t kCodeLanes = 16;

// [groups][lanes][4]: byte e of lane l in group g is b[4 g + e][l]; padding is
// 0.
struct CodeLanes {
  int8_t* packed;
  int32_t* base;  // [lanes] (shift - za') * sum_k b[k][lane] + k za' zb',
                  // shift being CodeStages::left_shift
  size_t groups;
  size_t lanes;  // whole blocks of kCodeLanes
};

struct CodeBlock {  // a prepared head
  CodeLanes k;      // lanes: keys, groups: of head columns
  CodeLanes v;      // lanes: head columns, groups: of keys
};

// Left rows; bytes past the last are 0.
struct CodeRows {
  const uint8_t* a;         // [kCodeRows][stride]
  size_t stride;            // a multiple of 4, >= 4 * groups
  int32_t base[kCodeRows];  // -zb' * sum_k a[r][k]
  int32_t max_pair;  // the greatest |a b| twice: what a sum of two products is
};

struct CodeScratch {
  uint8_t* query;   // [kCodeRows][query_stride]
  uint8_t* codes;   // [kCodeRows][code_stride]
  int32_t* scores;  // [kCodeRows][lanes of k]
  float* probs;     // likewise
  int32_t* out;     // [kCodeRows][lanes of v]; floats, if probabilities are
  size_t query_stride, code_stride, bytes;
};

// How codes of a type become operands: the byte plus `offset`, modulo 256.
inline int32_t LeftOffset(Operand type) { return -RangeOf(type).lo; }
inline int32_t RightOffset(Operand type) {
  return RangeOf(type).hi > 127 ? -128 : 0;
}

size_t CodeBlockBytes(size_t keys, size_t head_dim) noexcept;
CodeBlock ViewCodeBlock(void* data, size_t keys, size_t head_dim) noexcept;
inline CodeBlock CodeBlockOf(const CodeAttentionArgs& args, size_t h) {
  const size_t bytes = CodeBlockBytes(args.k.rows, args.head_dim);
  return ViewCodeBlock(static_cast<uint8_t*>(args.prepared) + h * bytes,
                       args.k.rows, args.head_dim);
}
size_t CodeScratchBytes(size_t keys, size_t head_dim) noexcept;
CodeScratch ViewCodeScratch(void* data, size_t keys, size_t head_dim) noexcept;

// A head on its way through the stages.
struct CodeHead {
  const CodeAttentionArgs* args;
  size_t h;
  CodeBlock block;
  CodeScratch scratch;
  int32_t left_shift;
};

struct CodeStages {
  // Fills the block's packed operands and bases.
  void (*pack)(const CodeHead& head);
  // Rows [row, row + rows) of q as left rows; rows up to kCodeRows keep what
  // they had.
  void (*queries)(const CodeHead& head, size_t row, size_t rows, CodeRows* q);
  // All kCodeRows rows of out [kCodeRows][b.lanes].
  void (*product)(const CodeRows& a, const CodeLanes& b, int32_t* out);
  // scores -> probs, and codes as left rows if there is a quantiser.
  void (*probabilities)(const CodeHead& head, size_t row, size_t rows,
                        CodeRows* codes);
  // probs times v, if there is none: floats in scratch.out.
  void (*float_product)(const CodeHead& head, size_t rows);
  void (*store)(const CodeHead& head, size_t row, size_t rows);
  // What `product` subtracts from every byte of the left rows.
  int32_t left_shift;
};

// All stages in Highway code, for the best target that `cpu` allows.
const CodeStages& CodeHwyStages(const CpuFeatures& cpu);

void PrepareCodes(const CodeStages& stages, const CodeAttentionArgs& args,
                  size_t h) noexcept;
void RunCodes(const CodeStages& stages, const CodeAttentionArgs& args,
              size_t row, size_t rows, void* scratch) noexcept;

}  // namespace bittern::kernels
