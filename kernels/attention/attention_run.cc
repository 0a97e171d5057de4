// Streams query rows of one head after the other through the stages; everything
// between k, v and the output stays in L1.
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/attention/attention_stages.h"

namespace bittern::kernels {
namespace {

struct Scratch {
  int32_t* scores;  // [kQueryRows][key lanes]
  int32_t* out;     // [kQueryRows][column lanes]
  float* exps;      // [kQueryRows][key lanes]
  float* cached;    // [kExpTables][kExpEntries]
  int32_t* best;    // [kExpTables]
  uint32_t* query;  // sign, then valid: [kQueryRows][query_words] each
  uint32_t* codes;  // sign, then valid: [kQueryRows][code_words] each
  size_t query_words, code_words, bytes;
};

Scratch ViewScratch(void* data, size_t keys, size_t head_dim) {
  Scratch s{};
  s.query_words = 2 * GroupWords(head_dim);
  s.code_words = 2 * GroupWords(keys);
  const size_t key_lanes = RoundUp(keys, kLaneBlock),
               out_lanes = RoundUp(head_dim, kLaneBlock);
  // Addresses, not pointers: data is null when only the size is asked for.
  auto at = reinterpret_cast<uintptr_t>(data);
  const auto take = [&at](auto** part, size_t count) {
    *part = reinterpret_cast<std::remove_reference_t<decltype(*part)>>(at);
    at += count * sizeof(**part);
  };
  take(&s.scores, kQueryRows * key_lanes);
  take(&s.out, kQueryRows * out_lanes);
  take(&s.exps, kQueryRows * key_lanes);
  take(&s.cached, kExpTables * kExpEntries);
  take(&s.best, kExpTables);
  take(&s.query, 2 * kQueryRows * s.query_words);
  take(&s.codes, 2 * kQueryRows * s.code_words);
  const size_t rows = kQueryRows * (2 * key_lanes + out_lanes +
                                    2 * s.query_words + 2 * s.code_words);
  s.bytes = (rows + kExpTables * (kExpEntries + 1)) * sizeof(uint32_t);
  return s;
}

}  // namespace

void RunAttentionHead(const AttentionStages& stages, const AttentionArgs& args,
                      size_t h, const QueryRows& part, void* prepared,
                      void* scratch) noexcept {
  const AttentionHead& head = args.head[h];
  const size_t keys = args.k.rows, end = part.row + part.rows;
  const Scratch s = ViewScratch(scratch, keys, args.head_dim);
  AttentionBlock block = ViewAttentionBlock(prepared, keys, args.head_dim);
  block.k.dense = block.zeros[0] == 0;
  block.v.dense = block.zeros[1] == 0;
  const auto zp = static_cast<float>(head.zp);
  ExpCache cache{s.cached, s.best};
  ProbabilityArgs probs{head.score_scale,
                        head.zv,
                        MakeSignQuantiser(&head.ap, &zp, 0),
                        keys,
                        block.k.lanes(),
                        false,
                        &cache};
  BitRows query{
      s.query, s.query + kQueryRows * s.query_words, s.query_words, 0, {},
      false};
  BitRows codes{
      s.codes, s.codes + kQueryRows * s.code_words, s.code_words, 0, {}, false};
  for (size_t r = part.row; r < end; r += kQueryRows) {
    query.rows = codes.rows = end - r < kQueryRows ? end - r : kQueryRows;
    stages.queries(args, h, r, &query);
    stages.product(query, block.k, s.scores);
    probs.same_parity =
        !query.has_zeros &&
        block.k.dense;  // then S = head_dim + zero-point terms - 2 * mismatches
    stages.probabilities(probs, s.scores, s.exps, &codes);
    stages.product(codes, block.v, s.out);
    stages.store(args, h, r, codes.rows, s.out);
  }
}

size_t AttentionScratchBytes(size_t keys, size_t head_dim) noexcept {
  return ViewScratch(nullptr, keys, head_dim).bytes;
}

void ClearAttentionCodes(const AttentionArgs& args,
                         const QueryRows& part) noexcept {
  if (args.out_f32 != nullptr) return;
  const CodePlanes& p = args.out_codes;
  const size_t first = part.row * p.row_words,
               bytes = part.rows * p.row_words * sizeof(uint64_t);
  std::memset(p.sign + first, 0, bytes);
  std::memset(p.valid + first, 0, bytes);
  std::memset(p.valid_count + part.row, 0, part.rows * sizeof(int32_t));
}

void PrepareAttention(const AttentionStages& stages, const AttentionArgs& args,
                      size_t h) noexcept {
  const size_t bytes = AttentionBlockBytes(args.k.rows, args.head_dim);
  stages.pack(args, h, static_cast<uint8_t*>(args.prepared) + h * bytes);
}

void RunAttention(const AttentionStages& stages, const AttentionArgs& args,
                  size_t row, size_t rows, void* scratch) noexcept {
  const size_t bytes = AttentionBlockBytes(args.k.rows, args.head_dim);
  ClearAttentionCodes(args, {row, rows});
  for (size_t h = 0; h < args.heads; ++h) {
    RunAttentionHead(stages, args, h, {row, rows},
                     static_cast<uint8_t*>(args.prepared) + h * bytes, scratch);
  }
}

}  // namespace bittern::kernels
