// Plain loops over single codes: the definition that the other kernels of this
// family are tested against, and the oracle that shows the integers in between.
#include "kernels/attention/attention_kernels.h"
#include "kernels/base/bits.h"
#include "kernels/base/math_reference.h"
#include "kernels/base/sign_window.h"

namespace bittern::kernels {
namespace {

// What one query row of one head computes; each pointer may be shared by rows.
struct RowTaps {
  int32_t* scores;  // [keys]
  float* exps;      // [keys]
  int8_t* probs;    // [keys]
  int32_t* out;     // [head_dim]
};

void Scores(const AttentionArgs& args, size_t h, size_t i, int32_t* scores) {
  const AttentionHead& head = args.head[h];
  for (size_t j = 0; j < args.k.rows; ++j) {
    scores[j] = 0;
    for (size_t c = h * args.head_dim; c < (h + 1) * args.head_dim; ++c) {
      scores[j] +=
          (CodeAt(args.q, i, c) - head.zq) * (CodeAt(args.k, j, c) - head.zk);
    }
  }
}

void Probabilities(const AttentionHead& head, size_t keys, const RowTaps& row) {
  float max = -std::numeric_limits<float>::infinity();
  for (size_t j = 0; j < keys; ++j) {
    const float t = static_cast<float>(row.scores[j]) * head.score_scale;
    max = t > max ? t : max;
  }
  LaneSumReference sum;
  for (size_t j = 0; j < keys; ++j) {
    row.exps[j] = ExpReference(
        static_cast<float>(row.scores[j]) * head.score_scale - max);
    sum.Add(j, row.exps[j]);
  }
  const float inverse = 1.0f / sum.Total();
  for (size_t j = 0; j < keys; ++j) {
    row.probs[j] = static_cast<int8_t>(
        SignCode(row.exps[j] * inverse, head.ap, static_cast<float>(head.zp)));
  }
}

void Row(const AttentionArgs& args, size_t h, size_t i, const RowTaps& row) {
  const AttentionHead& head = args.head[h];
  Scores(args, h, i, row.scores);
  Probabilities(head, args.k.rows, row);
  for (size_t d = 0; d < args.head_dim; ++d) {
    row.out[d] = 0;
    for (size_t j = 0; j < args.k.rows; ++j) {
      row.out[d] += (row.probs[j] - head.zp) *
                    (CodeAt(args.v, j, h * args.head_dim + d) - head.zv);
    }
  }
}

void StoreOut(const AttentionArgs& args, size_t h, size_t i,
              const int32_t* out) {
  for (size_t d = 0; d < args.head_dim; ++d) {
    const float y = static_cast<float>(out[d]) * args.head[h].out_scale;
    const size_t column = h * args.head_dim + d;
    if (args.out_f32 != nullptr) {
      args.out_f32[i * args.heads * args.head_dim + column] =
          CanonicalReference(y);
      continue;
    }
    const CodePlanes& p = args.out_codes;
    const size_t word = i * p.row_words + column / 64;
    p.sign[word] |= static_cast<uint64_t>(y > 0) << (column % 64);
    p.valid[word] |= static_cast<uint64_t>(y > 0 || y < 0) << (column % 64);
    p.valid_count[i] += y > 0 || y < 0;
  }
}

size_t PreparedBytes(size_t, size_t) noexcept { return 0; }
size_t ScratchBytes(size_t keys, size_t head_dim) noexcept {
  return (2 * keys + head_dim) * 4 + keys;
}
void Prepare(const AttentionArgs&, size_t) noexcept {}
double Cycles(size_t tokens, size_t heads, size_t head_dim) noexcept {
  return 12.0 * static_cast<double>(
                    tokens * tokens * heads *
                    head_dim);  // measured: two code look-ups a product
}

void Run(const AttentionArgs& args, size_t row, size_t rows,
         void* scratch) noexcept {
  const size_t keys = args.k.rows;
  auto* scores = static_cast<int32_t*>(scratch);
  auto* exps = reinterpret_cast<float*>(scores + keys);
  auto* out = reinterpret_cast<int32_t*>(exps + keys);
  const RowTaps taps{scores, exps,
                     reinterpret_cast<int8_t*>(out + args.head_dim), out};
  for (size_t i = row; i < row + rows; ++i) {
    if (args.out_f32 == nullptr) {
      const CodePlanes& p = args.out_codes;
      for (size_t w = 0; w < p.row_words; ++w)
        p.sign[i * p.row_words + w] = p.valid[i * p.row_words + w] = 0;
      p.valid_count[i] = 0;
    }
    for (size_t h = 0; h < args.heads; ++h) {
      Row(args, h, i, taps);
      StoreOut(args, h, i, out);
    }
  }
}

constexpr AttentionKernel kKernels[] = {
    {"attention/reference", kNone, &PreparedBytes, &ScratchBytes, &Prepare,
     &Run, &Cycles, true},
};

}  // namespace

std::span<const AttentionKernel> AttentionReference(const CpuFeatures&) {
  return kKernels;
}

// Unlike the kernels, this allocates: it serves tests.
void AttentionReferenceHead(const AttentionArgs& args, size_t h,
                            const AttentionTaps& taps) noexcept {
  const size_t keys = args.k.rows, dim = args.head_dim;
  std::vector<int32_t> scores(keys), out(dim);
  std::vector<float> exps(keys);
  std::vector<int8_t> probs(keys);
  for (size_t i = 0; i < args.q.rows; ++i) {
    RowTaps row{scores.data(), exps.data(), probs.data(), out.data()};
    if (taps.scores != nullptr) row.scores = taps.scores + i * keys;
    if (taps.probs != nullptr) row.probs = taps.probs + i * keys;
    if (taps.out != nullptr) row.out = taps.out + i * dim;
    Row(args, h, i, row);
  }
}

}  // namespace bittern::kernels
