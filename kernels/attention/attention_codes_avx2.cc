// The integer product of attention on codes on AVX2 for narrow codes (operands:
// attention_codes_stages.h): vpmaddubsw adds two products, vpaddw a run of
// them, and vpmaddwd with ones joins the two sums of a lane. Two instructions
// for 8 lanes x 4 terms; the portable product takes five.
// Range: a run is 32767 / max_pair groups, so that no 16-bit sum saturates:
// 136 for 4-bit codes, 8 for 8-bit probabilities of 4-bit values.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/attention/attention_codes_kernels.h"
#include "kernels/attention/attention_codes_stages.h"

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

static_assert(kCodeRows == 4 && kCodeLanes == 16);

struct PairSums {  // of one row: 16 lanes, two 16-bit sums each
  __m256i s0, s1;
};

HWY_INLINE void AddPairs(const uint8_t* a, __m256i b0, __m256i b1,
                         PairSums& s) {
  int32_t four;
  std::memcpy(&four, a, sizeof(four));
  const __m256i x = _mm256_set1_epi32(four);
  s.s0 = _mm256_add_epi16(s.s0, _mm256_maddubs_epi16(x, b0));
  s.s1 = _mm256_add_epi16(s.s1, _mm256_maddubs_epi16(x, b1));
}

HWY_INLINE void AddLanes(__m256i pairs, __m256i* out) {
  const __m256i lanes = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  _mm256_store_si256(out, _mm256_add_epi32(_mm256_load_si256(out), lanes));
}

HWY_INLINE void AddRow(const PairSums& s, int32_t* out) {
  AddLanes(s.s0, reinterpret_cast<__m256i*>(out));
  AddLanes(s.s1, reinterpret_cast<__m256i*>(out + 8));
}

HWY_INLINE void StartRow(const int32_t* base, int32_t row_base, int32_t* out) {
  const __m256i row = _mm256_set1_epi32(row_base);
  for (size_t i = 0; i < 16; i += 8) {
    const __m256i x =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(base + i));
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + i),
                       _mm256_add_epi32(x, row));
  }
}

// 4 rows x 16 lanes.
void PairTile(const CodeRows& a, const CodeLanes& b, size_t run, size_t lane,
              int32_t* out) {
  const uint8_t *a0 = a.a, *a1 = a0 + a.stride, *a2 = a1 + a.stride,
                *a3 = a2 + a.stride;
  const int8_t* right = b.packed + lane * 4;
  out += lane;
  for (size_t r = 0; r < kCodeRows; ++r)
    StartRow(b.base + lane, a.base[r], out + r * b.lanes);
  const size_t end = 4 * b.groups;
  size_t k = 0;
  do {
    const size_t stop = end - k < 4 * run ? end : k + 4 * run;
    const __m256i zero = _mm256_setzero_si256();
    PairSums r0{zero, zero}, r1 = r0, r2 = r0, r3 = r0;
    do {
      const __m256i b0 =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(right));
      const __m256i b1 =
          _mm256_load_si256(reinterpret_cast<const __m256i*>(right + 32));
      AddPairs(a0 + k, b0, b1, r0);
      AddPairs(a1 + k, b0, b1, r1);
      AddPairs(a2 + k, b0, b1, r2);
      AddPairs(a3 + k, b0, b1, r3);
      right += b.lanes * 4;
      k += 4;
    } while (k < stop);
    AddRow(r0, out);
    AddRow(r1, out + b.lanes);
    AddRow(r2, out + 2 * b.lanes);
    AddRow(r3, out + 3 * b.lanes);
  } while (k < end);
}

void PairProduct(const CodeRows& a, const CodeLanes& b, int32_t* out) {
  const size_t run =
      a.max_pair == 0 ? b.groups : static_cast<size_t>(32767 / a.max_pair);
  for (size_t lane = 0; lane < b.lanes; lane += kCodeLanes)
    PairTile(a, b, run, lane, out);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

constexpr int32_t kLeastRun = 4;  // groups that pay for widening

// The rest of the stages for AVX2 too, whatever the CPU has beyond.
const CodeStages& PairStages() {
  static const CodeStages stages = [] {
    CpuFeatures cpu = DetectCpu();
    CapCpu(DetectCpu(), "avx2", &cpu);
    CodeStages s = CodeHwyStages(cpu);
    s.product = &PairProduct;
    return s;
  }();
  return stages;
}

bool PairsFit(int32_t left_max, Operand right) {
  const int32_t right_max =
      right == Operand::kU8 ? 128 : RangeOf(right).MaxAbs();
  return 2 * left_max * right_max * kLeastRun <= 32767;
}

bool PairSupports(const CodeAttentionQuery& q) noexcept {
  const ValueRange left = RangeOf(q.q_type);
  return PairsFit(left.hi - left.lo, q.k_type) &&
         PairsFit(q.prob_max, q.v_type);
}
void PairPrepare(const CodeAttentionArgs& args, size_t h) noexcept {
  PrepareCodes(PairStages(), args, h);
}
void PairRun(const CodeAttentionArgs& args, size_t row, size_t rows,
             void* scratch) noexcept {
  RunCodes(PairStages(), args, row, rows, scratch);
}

// Measured on Zen 5: cycles a (query, key) pair.
double PairCycles(const CodeAttentionQuery& q) noexcept {
  const double pairs = static_cast<double>(q.queries * q.keys * q.heads);
  return pairs * (3.5 + 2.0 * static_cast<double>(q.head_dim) / 56);
}

constexpr CodeAttentionKernel kPairKernels[] = {
    {"attention/codes/avx2", kAvx2, &PairSupports, &CodeBlockBytes,
     &CodeScratchBytes, &PairPrepare, &PairRun, &PairCycles, false},
};

}  // namespace

std::span<const CodeAttentionKernel> CodeAttentionAvx2(const CpuFeatures&) {
  return kPairKernels;
}

}  // namespace bittern::kernels

#endif  // x86-64
