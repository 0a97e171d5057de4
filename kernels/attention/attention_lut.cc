// Sizes and views of the look-up kernel's blocks and scratch.
#include "kernels/attention/attention_lut.h"

#include "kernels/attention/attention_parts.h"

namespace bittern::kernels {
namespace {

void TakeMatrix(size_t rows, size_t length, size_t vector, Parts& parts,
                LutMatrix* m) {
  m->groups = CeilDiv(length, 4);
  m->lanes = RoundUp(rows, vector);
  parts.Take(&m->sign, m->groups * m->lanes);
  parts.Take(&m->zero, m->groups * m->lanes);
}

size_t Lay(Parts parts, size_t keys, size_t head_dim, size_t vector,
           LutBlock* b) {
  TakeMatrix(keys, head_dim, vector, parts, &b->k);
  TakeMatrix(head_dim, keys, vector, parts, &b->v);
  parts.Take(&b->real, b->k.lanes);
  parts.Take(&b->dot_bias, b->k.lanes);
  parts.Take(&b->match_bias, b->k.lanes);
  parts.Take(&b->key_base, b->k.lanes);
  parts.Take(&b->out_base, b->v.lanes);
  parts.Take(&b->facts, 1);
  return parts.bytes();
}

}  // namespace

size_t LutBlockBytes(size_t keys, size_t head_dim, size_t vector) noexcept {
  LutBlock block{};
  return Lay(Parts(nullptr), keys, head_dim, vector, &block);
}

LutBlock ViewLutBlock(void* data, size_t keys, size_t head_dim,
                      size_t vector) noexcept {
  LutBlock block{};
  Lay(Parts(data), keys, head_dim, vector, &block);
  return block;
}

LutScratch ViewLutScratch(void* data, size_t keys, size_t head_dim,
                          size_t vector) noexcept {
  LutScratch s{};
  s.query_states = GroupWords(head_dim) * 16;
  s.code_states = GroupWords(keys) * 16;
  s.plane_words = GroupWords(keys) * 2;
  const size_t key_lanes = RoundUp(keys, vector);
  Parts parts(data);
  parts.Take(&s.query, kLutRows * s.query_states);
  parts.Take(&s.codes, kLutRows * s.code_states);
  parts.Take(&s.raw, kLutRows * key_lanes);
  parts.Take(&s.distance, kLutRows * key_lanes);
  parts.Take(&s.raw_out, kLutRows * RoundUp(head_dim, vector));
  parts.Take(&s.out, kLutRows * RoundUp(head_dim, size_t{16}));
  parts.Take(&s.scores, kLutRows * key_lanes);
  parts.Take(&s.floats, kLutRows * key_lanes);
  parts.Take(&s.planes, 2 * kLutRows * s.plane_words);
  parts.Take(&s.cache.exps, kLutSlots * kLutEntries);
  parts.Take(&s.cache.planes, kLutSlots * kLutEntries * sizeof(float));
  parts.Take(&s.cache.best, kLutSlots);
  parts.Take(&s.cache.filled, kLutSlots);
  s.bytes = parts.bytes();
  return s;
}

}  // namespace bittern::kernels
