// Sizes and views of the blocks and the scratch of attention on codes, and the
// walk of four query rows at a time through the stages: what lies between k, v
// and the output stays in L1.
#include <cstring>

#include "kernels/attention/attention_codes_stages.h"
#include "kernels/attention/attention_parts.h"

namespace bittern::kernels {
namespace {

void TakeLanes(size_t rows, size_t length, Parts& parts, CodeLanes* b) {
  b->groups = CeilDiv(length, 4);
  b->lanes = RoundUp(rows, kCodeLanes);
  parts.Take(&b->packed, b->groups * b->lanes * 4);
  parts.Take(&b->base, b->lanes);
}

size_t LayBlock(Parts parts, size_t keys, size_t head_dim, CodeBlock* block) {
  TakeLanes(keys, head_dim, parts, &block->k);
  TakeLanes(head_dim, keys, parts, &block->v);
  return parts.bytes();
}

}  // namespace

size_t CodeBlockBytes(size_t keys, size_t head_dim) noexcept {
  CodeBlock block{};
  return LayBlock(Parts(nullptr), keys, head_dim, &block);
}

CodeBlock ViewCodeBlock(void* data, size_t keys, size_t head_dim) noexcept {
  CodeBlock block{};
  LayBlock(Parts(data), keys, head_dim, &block);
  return block;
}

CodeScratch ViewCodeScratch(void* data, size_t keys, size_t head_dim) noexcept {
  CodeScratch s{};
  const size_t key_lanes = RoundUp(keys, kCodeLanes);
  s.query_stride = RoundUp(head_dim, 64);
  s.code_stride = RoundUp(keys, 64);
  Parts parts(data);
  parts.Take(&s.query, kCodeRows * s.query_stride);
  parts.Take(&s.codes, kCodeRows * s.code_stride);
  parts.Take(&s.scores, kCodeRows * key_lanes);
  parts.Take(&s.probs, kCodeRows * key_lanes);
  parts.Take(&s.out, kCodeRows * RoundUp(head_dim, kCodeLanes));
  s.bytes = parts.bytes();
  return s;
}

size_t CodeScratchBytes(size_t keys, size_t head_dim) noexcept {
  return ViewCodeScratch(nullptr, keys, head_dim).bytes;
}

void PrepareCodes(const CodeStages& stages, const CodeAttentionArgs& args,
                  size_t h) noexcept {
  const CodeHead head{&args, h, CodeBlockOf(args, h), CodeScratch{},
                      stages.left_shift};
  stages.pack(head);
}

void RunCodes(const CodeStages& stages, const CodeAttentionArgs& args,
              size_t row, size_t rows, void* scratch) noexcept {
  const CodeScratch s = ViewCodeScratch(scratch, args.k.rows, args.head_dim);
  // Padding and rows that do not exist are multiplied, too.
  std::memset(s.query, 0, kCodeRows * s.query_stride);
  std::memset(s.codes, 0, kCodeRows * s.code_stride);
  for (size_t h = 0; h < args.heads; ++h) {
    const CodeHead head{&args, h, CodeBlockOf(args, h), s, stages.left_shift};
    CodeRows query{s.query, s.query_stride, {}, 0};
    CodeRows codes{s.codes, s.code_stride, {}, 0};
    for (size_t r = row; r < row + rows; r += kCodeRows) {
      const size_t count =
          row + rows - r < kCodeRows ? row + rows - r : kCodeRows;
      stages.queries(head, r, count, &query);
      stages.product(query, head.block.k, s.scores);
      stages.probabilities(head, r, count, &codes);
      if (args.head[h].probs != nullptr) {
        stages.product(codes, head.block.v, s.out);
      } else {
        stages.float_product(head, count);
      }
      stages.store(head, r, count);
    }
  }
}

}  // namespace bittern::kernels
