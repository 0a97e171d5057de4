// Attention by look-up for every Highway target with byte shuffles (equations:
// attention.h, tables and layouts: attention_lut.h): both bit products by
// table, the probabilities of attention_lut_softmax_hwy.cc between them. Heads
// of more than kLutMaxDim columns take the portable stages.
// Measured on Zen 5, AVX2 (clang 19, 198 tokens, 3 heads of 64): 75 us against
// 119 by popcount.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/attention_lut_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/attention/attention_kernels.h"
#include "kernels/attention/attention_lut-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

const AttentionStages* AttentionHwyStageTable();  // attention_hwy.cc
void PackLutBlock(const AttentionArgs& args, size_t h,
                  void* block) noexcept;  // attention_lut_pack_hwy.cc
void LutProbabilities(const LutHead& head, LutQueries& rows,
                      BitRows* codes);  // attention_lut_softmax_hwy.cc

namespace {

static_assert(kLutRows == kQueryRows);

// States, sums and scales of query rows [row, row + rows.rows).
void LoadQueries(const CodePlanes& q, size_t h, size_t row, const LutHead& head,
                 LutQueries& rows) {
  const size_t words = GroupWords(head.dim);
  const auto dim = static_cast<int32_t>(head.dim);
  bool dense = head.b.k.dense;
  for (size_t r = 0; r < rows.rows; ++r) {
    const size_t first = (row + r) * q.row_words + h * words;
    int32_t positive = 0, valid = 0;
    for (size_t w = first; w < first + words; ++w) {
      positive += static_cast<int32_t>(hwy::PopCount(q.sign[w]));
      valid += static_cast<int32_t>(hwy::PopCount(q.valid[w]));
    }
    FillStates(q.sign + first, q.valid + first, words,
               head.s.query + r * head.s.query_states);
    rows.base[r] = dim * head.zq * head.zk - head.zk * (2 * positive - valid);
    dense &= valid == dim;
  }
  const LutHeadFacts& facts = *head.b.facts;
  rows.scale = ScaleOf(dense, head.dim);
  // matches - zq * (positive codes) has the parity of the row if zq is odd.
  rows.halve = dense && head.zq % 2 != 0;
  rows.bias = nullptr;
  int32_t shift = -rows.scale.offset;
  if (dense && facts.match_fits) {
    rows.bias = head.b.match_bias;
    shift += head.zq * dim + 2 * facts.match_least;
  } else if (!dense && facts.dot_fits) {
    rows.bias = head.b.dot_bias;
    shift += facts.dot_least;
  }
  for (size_t r = 0; r < rows.rows; ++r) rows.base[r] += shift;
}

// O of four rows: head.s.out.
void Outputs(const LutHead& head, const BitRows& codes) {
  const DI d;
  const hn::Rebind<uint8_t, DI> bytes_of_lanes;
  const LutMatrix& v = head.b.v;
  const LutScale scale = ScaleOf(!codes.has_zeros && v.dense, head.keys);
  const size_t columns = RoundUp(head.dim, kBlock);
  for (size_t r = 0; r < codes.rows; ++r) {
    FillStates(
        reinterpret_cast<const uint64_t*>(codes.sign + r * codes.stride),
        reinterpret_cast<const uint64_t*>(codes.valid + r * codes.stride),
        GroupWords(head.keys), head.s.codes + r * head.s.code_states);
  }
  const VI unit = hn::Set(d, scale.unit);
  for (size_t first = 0; first < v.groups; first += scale.groups) {
    LutProduct({head.s.codes + first, head.s.code_states},
               GroupsOf(v, first, scale.groups), scale.table, nullptr,
               head.s.raw_out);
    for (size_t r = 0; r < codes.rows; ++r) {
      int32_t* HWY_RESTRICT out = head.s.out + r * columns;
      const uint8_t* HWY_RESTRICT raw = head.s.raw_out + r * v.lanes;
      const VI base = hn::Set(d, codes.base[r] - scale.offset);
      for (size_t c = 0; c < columns; c += kLanes) {
        const VI before = first == 0
                              ? hn::Add(base, hn::Load(d, head.b.out_base + c))
                              : hn::Load(d, out + c);
        const VI x = hn::PromoteTo(d, hn::LoadU(bytes_of_lanes, raw + c));
        hn::Store(hn::Add(before, hn::Mul(x, unit)), d, out + c);
      }
    }
  }
}

void RunLutHead(const AttentionArgs& args, size_t h, const QueryRows& part,
                void* prepared, const LutScratch& s) {
  const AttentionHead& values = args.head[h];
  const auto zp = static_cast<float>(values.zp);
  const bool negated = values.score_scale < 0;
  LutHead head{ViewLutBlock(prepared, args.k.rows, args.head_dim, kBytes),
               s,
               MakeSignQuantiser(&values.ap, &zp, 0),
               negated ? -values.score_scale : values.score_scale,
               values.zq,
               negated ? -values.zk : values.zk,
               values.zv,
               args.k.rows,
               args.head_dim};
  head.b.k.dense = head.b.facts->k_dense != 0;
  head.b.v.dense = head.b.facts->v_dense != 0;
  BitRows codes{
      s.planes, s.planes + kLutRows * s.plane_words, s.plane_words, 0, {},
      false};
  LutQueries rows{};
  int32_t cached_unit = 0;
  const size_t end = part.row + part.rows;
  for (size_t row = part.row; row < end; row += kLutRows) {
    rows.rows = codes.rows = HWY_MIN(kLutRows, end - row);
    LoadQueries(args.q, h, row, head, rows);
    if (rows.scale.unit != cached_unit)
      memset(s.cache.filled, 0, kLutSlots * sizeof(size_t));
    cached_unit = rows.scale.unit;
    LutProduct({s.query, s.query_states}, head.b.k, rows.scale.table, rows.bias,
               s.raw);
    LutProbabilities(head, rows, &codes);
    Outputs(head, codes);
    AttentionHwyStageTable()->store(args, h, row, rows.rows, s.out);
  }
}

size_t PreparedBytes(size_t keys, size_t head_dim) noexcept {
  const size_t portable = RoundUp(AttentionBlockBytes(keys, head_dim), 64);
  return HWY_MAX(portable, LutBlockBytes(keys, head_dim, kBytes));
}

size_t ScratchBytes(size_t keys, size_t head_dim) noexcept {
  const size_t portable = AttentionScratchBytes(keys, head_dim);
  return HWY_MAX(portable,
                 ViewLutScratch(nullptr, keys, head_dim, kBytes).bytes);
}

void* PreparedHead(const AttentionArgs& args, size_t h) {
  return static_cast<uint8_t*>(args.prepared) +
         h * PreparedBytes(args.k.rows, args.head_dim);
}

void Prepare(const AttentionArgs& args, size_t h) noexcept {
  void* block = PreparedHead(args, h);
  args.head_dim <= kLutMaxDim ? PackLutBlock(args, h, block)
                              : AttentionHwyStageTable()->pack(args, h, block);
}

void Run(const AttentionArgs& args, size_t row, size_t rows,
         void* scratch) noexcept {
  const QueryRows part{row, rows};
  const LutScratch s =
      ViewLutScratch(scratch, args.k.rows, args.head_dim, kBytes);
  ClearAttentionCodes(args, part);
  if (args.head_dim <= kLutMaxDim) {
    // States of rows that do not exist are looked up, too.
    memset(s.query, 0, kLutRows * s.query_states * sizeof(uint16_t));
    memset(s.codes, 0, kLutRows * s.code_states * sizeof(uint16_t));
  }
  for (size_t h = 0; h < args.heads; ++h) {
    void* prepared = PreparedHead(args, h);
    if (args.head_dim <= kLutMaxDim) {
      RunLutHead(args, h, part, prepared, s);
    } else {
      RunAttentionHead(*AttentionHwyStageTable(), args, h, part, prepared,
                       scratch);
    }
  }
}

// Measured on Zen 5: AVX2 2.6 cycles a (query, key) pair of 64 columns, AVX-512
// 2.1, SSE4 4.6. On NEON by count of instructions.
double Cycles(size_t tokens, size_t heads, size_t head_dim) noexcept {
  const double pairs = static_cast<double>(tokens * tokens * heads);
  const double vector = kBytes == 64 ? 40.0 : static_cast<double>(kBytes);
  if (head_dim > kLutMaxDim) return pairs * 1e3;
  return pairs / vector * (52.0 + 0.5 * static_cast<double>(head_dim));
}

}  // namespace

const AttentionKernel* AttentionLutKernel() {
  static constexpr AttentionKernel kKernel = {
      "attention/lut", kNone, &PreparedBytes, &ScratchBytes,
      &Prepare,        &Run,  &Cycles,        false};
  return &kKernel;
}
#else
const AttentionKernel* AttentionLutKernel() { return nullptr; }
#endif  // a target with byte shuffles

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(AttentionLutKernel);

std::span<const AttentionKernel> AttentionLut(const CpuFeatures& cpu) {
  const AttentionKernel* kernel = BITTERN_HWY_TABLE(AttentionLutKernel, cpu)();
  return {kernel, kernel != nullptr ? size_t{1} : 0};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
