// Plain loops over single codes: the definition that the other kernels of
// attention_codes.h are tested against.
#include <limits>

#include "kernels/attention/attention_codes_kernels.h"
#include "kernels/base/math_reference.h"

namespace bittern::kernels {
namespace {

struct Row {       // of one query
  float* probs;    // [keys]
  uint8_t* codes;  // [keys]
};

int32_t CodeOf(const CodeBytes& x, Operand type, size_t row, size_t col) {
  const auto at = static_cast<ptrdiff_t>(row) * x.stride;
  return ByteValue(type, x.data[at + static_cast<ptrdiff_t>(col)]);
}

float TermAt(const ScoreTerm& term, size_t h, size_t i, size_t j) {
  const auto* head = reinterpret_cast<const char*>(term.data) +
                     static_cast<ptrdiff_t>(h) * term.head_stride +
                     static_cast<ptrdiff_t>(i) * term.row_stride;
  return reinterpret_cast<const float*>(head)[j];
}

void Scores(const CodeAttentionArgs& args, size_t h, size_t i, float* t) {
  const CodeAttentionHead& head = args.head[h];
  for (size_t j = 0; j < args.k.rows; ++j) {
    int32_t score = 0;
    for (size_t c = h * args.head_dim; c < (h + 1) * args.head_dim; ++c) {
      score += (CodeOf(args.q, args.q_type, i, c) - head.zq) *
               (CodeOf(args.k, args.k_type, j, c) - head.zk);
    }
    t[j] = static_cast<float>(score) * head.score_scale;
    if (args.bias.data != nullptr) t[j] = t[j] + TermAt(args.bias, h, i, j);
    if (args.mask.data != nullptr) t[j] = t[j] + TermAt(args.mask, h, i, j);
  }
}

void Softmax(float* x, size_t n) {
  float max = -std::numeric_limits<float>::infinity();
  for (size_t j = 0; j < n; ++j) max = x[j] > max ? x[j] : max;
  LaneSumReference sum;
  for (size_t j = 0; j < n; ++j) {
    x[j] = ExpReference(x[j] - max);
    sum.Add(j, x[j]);
  }
  const float inverse = 1.0f / sum.Total();
  for (size_t j = 0; j < n; ++j) x[j] = x[j] * inverse;
}

float Output(const CodeAttentionArgs& args, size_t h, size_t d,
             const Row& row) {
  const CodeAttentionHead& head = args.head[h];
  int32_t sum = 0;
  float chain = 0;
  for (size_t j = 0; j < args.k.rows; ++j) {
    const int32_t v =
        CodeOf(args.v, args.v_type, j, h * args.head_dim + d) - head.zv;
    if (head.probs != nullptr) {
      sum += (row.codes[j] - head.zp) * v;
    } else {
      chain = std::fma(row.probs[j], static_cast<float>(v), chain);
    }
  }
  return (head.probs != nullptr ? static_cast<float>(sum) : chain) *
         head.out_scale;
}

bool Supports(const CodeAttentionQuery&) noexcept { return true; }
size_t PreparedBytes(size_t, size_t) noexcept { return 0; }
size_t ScratchBytes(size_t keys, size_t) noexcept {
  return keys * (sizeof(float) + 1);
}
void Prepare(const CodeAttentionArgs&, size_t) noexcept {}

void Run(const CodeAttentionArgs& args, size_t first, size_t rows,
         void* scratch) noexcept {
  auto* probs = static_cast<float*>(scratch);
  const Row row{probs, reinterpret_cast<uint8_t*>(probs + args.k.rows)};
  const size_t cols = args.heads * args.head_dim;
  for (size_t i = first; i < first + rows; ++i) {
    for (size_t h = 0; h < args.heads; ++h) {
      Scores(args, h, i, row.probs);
      if (args.softmax) Softmax(row.probs, args.k.rows);
      for (size_t j = 0; args.head[h].probs != nullptr && j < args.k.rows; ++j)
        row.codes[j] =
            ByteCodeReference(*args.head[h].probs, 0, 0, row.probs[j]);
      for (size_t d = 0; d < args.head_dim; ++d) {
        const size_t c = h * args.head_dim + d;
        const float y = Output(args, h, d, row);
        if (args.out_f32 != nullptr) {
          args.out_f32[i * cols + c] = CanonicalReference(y);
          continue;
        }
        args.out_codes.data[static_cast<ptrdiff_t>(i) * args.out_codes.stride +
                            static_cast<ptrdiff_t>(c)] =
            ByteCodeReference(*args.out_quantiser, i, c, y);
      }
    }
  }
}

// Measured: two loads and a multiplication a product.
double Cycles(const CodeAttentionQuery& q) noexcept {
  return 4.0 * static_cast<double>(q.queries * q.keys * q.heads * q.head_dim);
}

constexpr CodeAttentionKernel kKernels[] = {
    {"attention/codes/reference", kNone, &Supports, &PreparedBytes,
     &ScratchBytes, &Prepare, &Run, &Cycles, true},
};

}  // namespace

std::span<const CodeAttentionKernel> CodeAttentionReference(
    const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
