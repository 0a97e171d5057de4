// Attention on AVX-512 with VPOPCNTDQ (equations: attention.h, operands:
// attention_layout.h). The bit product: 16 lanes a register, four query rows a
// pass; a word costs one vpternlogd, one vpopcntd and one vpaddd a row. The
// probabilities come from attention_table_avx512.cc, the rest from Highway.
// Range: a lane counts at most 32 * words bits.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include "kernels/attention/attention_kernels.h"
#include "kernels/attention/attention_stages.h"
#include "kernels/base/avx512-inl.h"

BITTERN_AVX512_BEGIN("avx512f,avx512bw,avx512vpopcntdq")
namespace bittern::kernels {
namespace {

static_assert(kQueryRows == 4);

struct Counts {  // of one row and one block of lanes
  __m512i mismatches;
  __m512i both;
};

// Pointers to word w of the rows and of one block.
struct Operands {
  const uint32_t* a_sign;
  const uint32_t* a_valid;
  const uint32_t* b_sign;
  const uint32_t* b_valid;
};

HWY_INLINE __m512i Broadcast(const uint32_t* word) {
  return _mm512_set1_epi32(static_cast<int>(*word));
}

template <bool kRowHasZeros>
HWY_INLINE void Step(const Operands& at, __m512i sign, __m512i valid,
                     size_t row_offset, Counts& c) {
  constexpr int kXorAnd = 0x28;  // truth table of (x ^ y) & z
  if constexpr (kRowHasZeros) {
    valid = _mm512_and_si512(valid, Broadcast(at.a_valid + row_offset));
    c.both = _mm512_add_epi32(c.both, _mm512_popcnt_epi32(valid));
  }
  const __m512i x = _mm512_ternarylogic_epi32(
      sign, Broadcast(at.a_sign + row_offset), valid, kXorAnd);
  c.mismatches = _mm512_add_epi32(c.mismatches, _mm512_popcnt_epi32(x));
}

template <bool kRowHasZeros>
HWY_INLINE void Finish(const Counts& c, __m512i base, int32_t row_base,
                       int32_t* out) {
  const __m512i twice = _mm512_add_epi32(c.mismatches, c.mismatches);
  __m512i dot = _mm512_sub_epi32(
      _mm512_add_epi32(base, _mm512_set1_epi32(row_base)), twice);
  if constexpr (kRowHasZeros) dot = _mm512_add_epi32(dot, c.both);
  _mm512_store_si512(out, dot);
}

// kRows rows against all lanes. kWords = 0: as many words as b has. Named
// accumulators: g++ 12 keeps an array in memory.
template <bool kRowHasZeros, size_t kRows, size_t kWords>
void Rows(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  const size_t words = kWords != 0 ? kWords : b.words;
  const int32_t* base = kRowHasZeros ? b.base : b.full;
  const __m512i zero = _mm512_setzero_si512();
  Operands at{a.sign, a.valid, b.sign, b.valid};
  for (size_t lane = 0; lane < b.lanes();
       lane += kLaneBlock, out += kLaneBlock) {
    Counts c0{zero, zero}, c1 = c0, c2 = c0, c3 = c0;
    at.a_sign = a.sign;
    at.a_valid = a.valid;
    for (size_t w = 0; w < words; ++w) {
      const __m512i sign = _mm512_load_si512(at.b_sign),
                    valid = _mm512_load_si512(at.b_valid);
      Step<kRowHasZeros>(at, sign, valid, 0, c0);
      if constexpr (kRows > 1)
        Step<kRowHasZeros>(at, sign, valid, a.stride, c1);
      if constexpr (kRows > 2)
        Step<kRowHasZeros>(at, sign, valid, 2 * a.stride, c2);
      if constexpr (kRows > 3)
        Step<kRowHasZeros>(at, sign, valid, 3 * a.stride, c3);
      ++at.a_sign;
      ++at.a_valid;
      at.b_sign += kLaneBlock;
      at.b_valid += kLaneBlock;
    }
    const __m512i bases = _mm512_load_si512(base + lane);
    Finish<kRowHasZeros>(c0, bases, a.base[0], out);
    if constexpr (kRows > 1)
      Finish<kRowHasZeros>(c1, bases, a.base[1], out + b.lanes());
    if constexpr (kRows > 2)
      Finish<kRowHasZeros>(c2, bases, a.base[2], out + 2 * b.lanes());
    if constexpr (kRows > 3)
      Finish<kRowHasZeros>(c3, bases, a.base[3], out + 3 * b.lanes());
  }
}

template <bool kRowHasZeros, size_t kRows>
void RowsOf(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  switch (b.words) {
    case 1:
      return Rows<kRowHasZeros, kRows, 1>(a, b, out);
    case 2:
      return Rows<kRowHasZeros, kRows, 2>(a, b, out);
    default:
      return Rows<kRowHasZeros, kRows, 0>(a, b, out);
  }
}

template <bool kRowHasZeros>
void RowBlock(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  switch (a.rows) {
    case 4:
      return RowsOf<kRowHasZeros, 4>(a, b, out);
    case 3:
      return RowsOf<kRowHasZeros, 3>(a, b, out);
    case 2:
      return RowsOf<kRowHasZeros, 2>(a, b, out);
    default:
      return RowsOf<kRowHasZeros, 1>(a, b, out);
  }
}

void Product(const BitRows& a, const LaneMatrix& b, int32_t* out) {
  a.has_zeros ? RowBlock<true>(a, b, out) : RowBlock<false>(a, b, out);
}

}  // namespace
}  // namespace bittern::kernels

BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

const AttentionStages& Stages() {
  static const AttentionStages stages = [] {
    AttentionStages s = AttentionHwyStages(DetectCpu());
    s.product = &Product;
#ifdef BITTERN_SIMDE
    s.probabilities = &TableProbabilitiesSimde;
#else
    s.probabilities = &TableProbabilities;
#endif
    return s;
  }();
  return stages;
}

void Prepare(const AttentionArgs& args, size_t h) noexcept {
  PrepareAttention(Stages(), args, h);
}

void Run(const AttentionArgs& args, size_t row, size_t rows,
         void* scratch) noexcept {
  RunAttention(Stages(), args, row, rows, scratch);
}

double Cycles(size_t tokens, size_t heads, size_t head_dim) noexcept {
  return static_cast<double>(tokens * tokens * heads) *
         (0.7 + 2.0 * static_cast<double>(head_dim) / 341);
}

constexpr AttentionKernel kKernels[] = {
    {"attention/avx512vpopcntdq", kAvx512 | kAvx512Vpopcntdq,
     &AttentionBlockBytes, &AttentionScratchBytes, &Prepare, &Run, &Cycles,
     false},
};

}  // namespace

#ifdef BITTERN_SIMDE
std::span<const AttentionKernel> AttentionAvx512VpopcntdqSimde() {
  return kKernels;
}
#else
std::span<const AttentionKernel> AttentionAvx512Vpopcntdq(const CpuFeatures&) {
  return kKernels;
}
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
