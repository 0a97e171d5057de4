// 1- and 2-bit weights x 1- to 4-bit activations on AVX2 by table look-up:
// operands and range of lut_codes.h, loop of lut_avx2-inl.h.
#if defined(__x86_64__)

#include <immintrin.h>

#include "hwy/base.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/lhs_codes_avx2-inl.h"
#include "kernels/gemm/lut_avx2-inl.h"
#include "kernels/gemm/lut_codes.h"

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

struct Affine {
  const int16_t* channel_terms;
  __m128i shift;  // by log2(sa * sw)
  HWY_INLINE __m256i operator()(__m256i sums, const uint16_t* states,
                                size_t j) const {
    const __m256i channels =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(channel_terms + j));
    const auto row = static_cast<int16_t>(states[-ptrdiff_t{kLutTerms}]);
    return _mm256_add_epi16(_mm256_sll_epi16(sums, shift),
                            _mm256_add_epi16(channels, _mm256_set1_epi16(row)));
  }
};

void Run(const GemmStripArgs& args) noexcept {
  const LutLayout layout = LutLayoutOf(args.types);
  const size_t stride = layout.LhsRow(args.k);
  const auto* states = static_cast<const uint16_t*>(args.packed_lhs) +
                       (args.row - args.packed_row) * stride + kLutTerms;
  const LutRows rows{LutTable(layout.unit),
                     states,
                     stride,
                     layout.digits,
                     layout.States(args.k),
                     CeilDiv(args.k, layout.unit),
                     layout.chunk,
                     0,
                     static_cast<int32_t*>(args.strip),
                     static_cast<size_t>(args.strip_stride) / sizeof(int32_t)};
  const auto* tile = static_cast<const uint8_t*>(args.packed_rhs) +
                     args.tile * layout.TileBytes(args.k, kLutNr);
  const Affine finish{reinterpret_cast<const int16_t*>(tile),
                      _mm_cvtsi32_si128(layout.Shift())};
  LutStrip(rows, args.rows, args.n - args.tile * kLutNr,
           tile + kLutNr * sizeof(int16_t), finish);
}

// 32 digits -> table offsets: 16 * sum over a group of digit * 4^u.
template <size_t kUnit>
HWY_INLINE uint16_t* PutStates(__m256i digits, uint16_t* out) {
  const __m256i pairs =
      _mm256_maddubs_epi16(digits, _mm256_set1_epi16(64 << 8 | 16));
  if constexpr (kUnit == 2) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), pairs);
    return out + 16;
  }
  const __m256i fours =
      _mm256_madd_epi16(pairs, _mm256_set1_epi32(16 << 16 | 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_packus_epi32(_mm256_castsi256_si128(fours),
                                    _mm256_extracti128_si256(fours, 1)));
  return out + 8;
}

HWY_INLINE uint32_t Sum(__m256i quads) {
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(quads),
                                     _mm256_extracti128_si256(quads, 1));
  return static_cast<uint32_t>(
      _mm_cvtsi128_si32(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair))));
}

template <size_t kUnit, size_t kDigits>
HWY_INLINE void PackRow(const LutLayout& layout, const CodeRow& codes,
                        uint16_t* row) {
  const __m256i digit = _mm256_set1_epi8(3), zero = _mm256_setzero_si256();
  const __m128i halve = _mm_cvtsi32_si128(layout.a.step / 2);
  __m256i sum = zero;
  uint16_t* high = row + kLutTerms;
  uint16_t* low = high + (kDigits - 1) * (RoundUp(codes.k, 32) / kUnit);
  for (size_t i = 0; i < codes.k; i += 32) {
    // Codes of two steps are less than 8: no bit crosses a byte.
    const __m256i index = _mm256_srl_epi16(LoadCodes(codes, i), halve);
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(index, zero));
    low = PutStates<kUnit>(_mm256_and_si256(index, digit), low);
    if constexpr (kDigits == 2) {
      const __m256i rest = _mm256_srli_epi16(index, 2);
      high = PutStates<kUnit>(_mm256_and_si256(rest, digit), high);
    }
  }
  *row = layout.RowTerm(codes.k, Sum(sum));
}

template <size_t kUnit, size_t kDigits>
void PackRows(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
              size_t rows, uint16_t* out) {
  const LutLayout layout = LutLayoutOf(types);
  const CodeRows all = CodeRowsOf(types.activations, lhs, k);
  const size_t stride = layout.LhsRow(k);
  for (size_t r = row; r < row + rows; ++r, out += stride)
    PackRow<kUnit, kDigits>(layout, RowOf(all, r), out);
}

void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  const LutLayout layout = LutLayoutOf(types);
  auto* out = static_cast<uint16_t*>(packed);
  if (layout.unit == 2) return PackRows<2, 1>(types, lhs, k, row, rows, out);
  layout.digits == 1 ? PackRows<4, 1>(types, lhs, k, row, rows, out)
                     : PackRows<4, 2>(types, lhs, k, row, rows, out);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

template <size_t kUnit, bool kPlanes>
size_t TypesMaxK(GemmTypes types) noexcept {
  return LutMaxK(types, kUnit, kPlanes);
}
size_t RhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return CeilDiv(n, kLutNr) * LutLayoutOf(types).TileBytes(k, kLutNr);
}
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  PackLutRhs(w, activations, kLutNr, &LutChannel, packed);
}

constexpr GemmKernel kKernels[] = {
    {"w1a2/lut/avx2", kAvx2, &TypesMaxK<4, false>, kLutNr, kLutMr, kLutHalf, 4,
     &RhsBytes, &PackRhs, &LutLhsBytes, &PackLhs, &Run, &LutPasses},
    {"w2a2/lut/avx2", kAvx2, &TypesMaxK<2, false>, kLutNr, kLutMr, kLutHalf, 2,
     &RhsBytes, &PackRhs, &LutLhsBytes, &PackLhs, &Run},
    {"w2a1/lut/avx2", kAvx2, &TypesMaxK<2, true>, kLutNr, kLutMr, kLutHalf, 2,
     &RhsBytes, &PackRhs, &LutLhsBytes, &PackLhs, &Run},
};

}  // namespace

GemmKernelList GemmW2A2Avx2Lut(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
