// The integer product of attention on codes on AVX-512 VNNI (operands:
// attention_codes_stages.h): vpdpbusd multiplies four bytes of a row,
// broadcast, with four of each of 16 lanes. A tile is 4 rows x 64 lanes: 16
// accumulators, 4 vectors of lanes and a broadcast. The rest is Highway code.
// Range: |sum| <= 255 * 128 * terms; vpdpbusd does not saturate.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include "kernels/attention/attention_codes_kernels.h"
#include "kernels/attention/attention_codes_stages.h"
#include "kernels/base/avx512-inl.h"

BITTERN_AVX512_BEGIN("avx512f,avx512bw,avx512vnni")
namespace bittern::kernels {
namespace {

static_assert(kCodeRows == 4 && kCodeLanes == 16);

struct DotSums {  // of one row: up to 64 lanes
  __m512i s0, s1, s2, s3;
};

template <size_t kVectors>
HWY_INLINE DotSums StartSums(const int32_t* base, int32_t row_base) {
  const __m512i row = _mm512_set1_epi32(row_base);
  DotSums s{_mm512_add_epi32(row, _mm512_load_si512(base)), row, row, row};
  if constexpr (kVectors > 1)
    s.s1 = _mm512_add_epi32(row, _mm512_load_si512(base + 16));
  if constexpr (kVectors > 2)
    s.s2 = _mm512_add_epi32(row, _mm512_load_si512(base + 32));
  if constexpr (kVectors > 3)
    s.s3 = _mm512_add_epi32(row, _mm512_load_si512(base + 48));
  return s;
}

template <size_t kVectors>
HWY_INLINE void AddDots(const uint8_t* a, __m512i b0, __m512i b1, __m512i b2,
                        __m512i b3, DotSums& s) {
  int32_t four;
  std::memcpy(&four, a, sizeof(four));
  const __m512i x = _mm512_set1_epi32(four);
  s.s0 = _mm512_dpbusd_epi32(s.s0, x, b0);
  if constexpr (kVectors > 1) s.s1 = _mm512_dpbusd_epi32(s.s1, x, b1);
  if constexpr (kVectors > 2) s.s2 = _mm512_dpbusd_epi32(s.s2, x, b2);
  if constexpr (kVectors > 3) s.s3 = _mm512_dpbusd_epi32(s.s3, x, b3);
}

template <size_t kVectors>
HWY_INLINE void StoreSums(const DotSums& s, int32_t* out) {
  _mm512_store_si512(out, s.s0);
  if constexpr (kVectors > 1) _mm512_store_si512(out + 16, s.s1);
  if constexpr (kVectors > 2) _mm512_store_si512(out + 32, s.s2);
  if constexpr (kVectors > 3) _mm512_store_si512(out + 48, s.s3);
}

template <size_t kVectors>
void DotTile(const CodeRows& a, const CodeLanes& b, size_t lane, int32_t* out) {
  const int32_t* base = b.base + lane;
  DotSums r0 = StartSums<kVectors>(base, a.base[0]),
          r1 = StartSums<kVectors>(base, a.base[1]),
          r2 = StartSums<kVectors>(base, a.base[2]),
          r3 = StartSums<kVectors>(base, a.base[3]);
  const uint8_t *a0 = a.a, *a1 = a0 + a.stride, *a2 = a1 + a.stride,
                *a3 = a2 + a.stride;
  const int8_t* right = b.packed + lane * 4;
  size_t k = 0;
  do {
    const __m512i b0 = _mm512_load_si512(right);
    __m512i b1 = b0, b2 = b0, b3 = b0;
    if constexpr (kVectors > 1) b1 = _mm512_load_si512(right + 64);
    if constexpr (kVectors > 2) b2 = _mm512_load_si512(right + 128);
    if constexpr (kVectors > 3) b3 = _mm512_load_si512(right + 192);
    AddDots<kVectors>(a0 + k, b0, b1, b2, b3, r0);
    AddDots<kVectors>(a1 + k, b0, b1, b2, b3, r1);
    AddDots<kVectors>(a2 + k, b0, b1, b2, b3, r2);
    AddDots<kVectors>(a3 + k, b0, b1, b2, b3, r3);
    right += b.lanes * 4;
    k += 4;
  } while (k < 4 * b.groups);
  out += lane;
  StoreSums<kVectors>(r0, out);
  StoreSums<kVectors>(r1, out + b.lanes);
  StoreSums<kVectors>(r2, out + 2 * b.lanes);
  StoreSums<kVectors>(r3, out + 3 * b.lanes);
}

void DotProduct(const CodeRows& a, const CodeLanes& b, int32_t* out) {
  size_t lane = 0;
  for (; lane + 64 <= b.lanes; lane += 64) DotTile<4>(a, b, lane, out);
  switch ((b.lanes - lane) / 16) {
    case 3:
      return DotTile<3>(a, b, lane, out);
    case 2:
      return DotTile<2>(a, b, lane, out);
    case 1:
      return DotTile<1>(a, b, lane, out);
    default:
      return;
  }
}

}  // namespace
}  // namespace bittern::kernels
BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

const CodeStages& DotStages() {
  static const CodeStages stages = [] {
    CodeStages s = CodeHwyStages(DetectCpu());
    s.product = &DotProduct;
    return s;
  }();
  return stages;
}

bool DotSupports(const CodeAttentionQuery&) noexcept { return true; }
void DotPrepare(const CodeAttentionArgs& args, size_t h) noexcept {
  PrepareCodes(DotStages(), args, h);
}
void DotRun(const CodeAttentionArgs& args, size_t row, size_t rows,
            void* scratch) noexcept {
  RunCodes(DotStages(), args, row, rows, scratch);
}

// Measured on Zen 5: cycles a (query, key) pair.
double DotCycles(const CodeAttentionQuery& q) noexcept {
  const double pairs = static_cast<double>(q.queries * q.keys * q.heads);
  return pairs * (2.5 + 2.0 * static_cast<double>(q.head_dim) / 140);
}

constexpr CodeAttentionKernel kDotKernels[] = {
    {"attention/codes/avx512vnni", kAvx512 | kAvx512Vnni, &DotSupports,
     &CodeBlockBytes, &CodeScratchBytes, &DotPrepare, &DotRun, &DotCycles,
     false},
};

}  // namespace

#ifdef BITTERN_SIMDE
std::span<const CodeAttentionKernel> CodeAttentionAvx512VnniSimde() {
  return kDotKernels;
}
#else
std::span<const CodeAttentionKernel> CodeAttentionAvx512Vnni(
    const CpuFeatures&) {
  return kDotKernels;
}
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
