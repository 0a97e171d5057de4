// Codes of up to 8 bits on AVX2 by vpmaddubsw without its saturation: channels
// in lanes, a tile of 3 rows x 16 channels in registers, 4 k a step.
//   strip[r][j] = channel_add[j] + row_add[r] + sum_k |c[r][k]| * (w'[k][j] ^
//   m)
// c = a - lo - 128, m = -1 where c < 0 (pack_pairs.h, with the range argument:
// no 16-bit sum overflows). A pair of steps takes 7 instructions for 64
// products: two each of xor and vpmaddubsw, their sum in 16 bits, vpmaddwd by
// ones, add; 3 of them on the multiplier, where w8a8/madd has 4 of 8. A step
// without a partner takes 4 for 32. Left operand: row_add (32 bytes), then for
// every 4 k |c| and m, 0 past k.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/lhs_codes_avx2-inl.h"
#include "kernels/gemm/pack_pairs.h"

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

constexpr size_t kNr = 32;
constexpr size_t kMr = 3;
constexpr size_t kLhsHeader = 32;  // bytes

size_t LhsRow(size_t k) { return kLhsHeader + 2 * RoundUp(k, 32); }  // bytes

struct Tile {  // 16 channels: of the weights of one step, or of one row's sums
  __m256i c0, c1;
};

HWY_INLINE __m256i LoadLanes(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

HWY_INLINE __m256i Spread(const uint8_t* lane) {
  int32_t value;
  std::memcpy(&value, lane, sizeof(value));
  return _mm256_set1_epi32(value);
}

// Products of one step and one row, two to a 16-bit lane.
HWY_INLINE Tile Products(const Tile& w, const uint8_t* a) {
  const __m256i size = Spread(a), sign = Spread(a + 4);
  return {_mm256_maddubs_epi16(size, _mm256_xor_si256(sign, w.c0)),
          _mm256_maddubs_epi16(size, _mm256_xor_si256(sign, w.c1))};
}

HWY_INLINE void AddWide(const Tile& products, __m256i ones, Tile& sum) {
  sum.c0 = _mm256_add_epi32(sum.c0, _mm256_madd_epi16(products.c0, ones));
  sum.c1 = _mm256_add_epi32(sum.c1, _mm256_madd_epi16(products.c1, ones));
}

HWY_INLINE void AddPair(const Tile& w, const uint8_t* a, const Tile& v,
                        const uint8_t* b, __m256i ones, Tile& sum) {
  const Tile p = Products(w, a), q = Products(v, b);
  AddWide({_mm256_add_epi16(p.c0, q.c0), _mm256_add_epi16(p.c1, q.c1)}, ones,
          sum);
}

struct Rows {  // of one block
  const uint8_t* lhs;
  size_t lhs_stride;  // bytes
  int32_t* strip;
  size_t strip_stride;  // int32
};

HWY_INLINE void StoreRow(const Tile& sum, const Rows& rows, size_t r,
                         const int32_t* channel_add) {
  const __m256i row_add = Spread(rows.lhs + r * rows.lhs_stride);
  auto* strip = reinterpret_cast<__m256i*>(rows.strip + r * rows.strip_stride);
  _mm256_store_si256(
      strip, _mm256_add_epi32(_mm256_add_epi32(LoadLanes(channel_add), row_add),
                              sum.c0));
  _mm256_store_si256(
      strip + 1,
      _mm256_add_epi32(_mm256_add_epi32(LoadLanes(channel_add + 8), row_add),
                       sum.c1));
}

// kRows named accumulator rows: g++ 12 keeps an array of them in memory.
template <size_t kRows>
void Block(const Rows& rows, const PairsPanel& panel, size_t steps) {
  const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi16(1);
  const uint8_t* a0 = rows.lhs + kLhsHeader;
  const uint8_t* a1 = a0 + (kRows > 1 ? rows.lhs_stride : 0);
  const uint8_t* a2 = a1 + (kRows > 2 ? rows.lhs_stride : 0);
  const int32_t* w = panel.weights;
  const uint32_t* offset = panel.offset;
  const uint32_t *pairs_end = offset + 2 * panel.pairs, *end = offset + steps;
  Tile r0{zero, zero}, r1 = r0, r2 = r0;
  if (offset != pairs_end) do {
      const size_t i = offset[0], j = offset[1];
      const Tile x{LoadLanes(w), LoadLanes(w + 8)};
      const Tile y{LoadLanes(w + 16), LoadLanes(w + 24)};
      AddPair(x, a0 + i, y, a0 + j, ones, r0);
      if constexpr (kRows > 1) AddPair(x, a1 + i, y, a1 + j, ones, r1);
      if constexpr (kRows > 2) AddPair(x, a2 + i, y, a2 + j, ones, r2);
      w += 2 * kPairsPanel;
      offset += 2;
    } while (offset != pairs_end);
  if (offset != end) do {
      const size_t i = *offset;
      const Tile x{LoadLanes(w), LoadLanes(w + 8)};
      AddWide(Products(x, a0 + i), ones, r0);
      if constexpr (kRows > 1) AddWide(Products(x, a1 + i), ones, r1);
      if constexpr (kRows > 2) AddWide(Products(x, a2 + i), ones, r2);
      w += kPairsPanel;
      ++offset;
    } while (offset != end);
  StoreRow(r0, rows, 0, panel.channel_add);
  if constexpr (kRows > 1) StoreRow(r1, rows, 1, panel.channel_add);
  if constexpr (kRows > 2) StoreRow(r2, rows, 2, panel.channel_add);
}

void BlockOf(size_t count, const Rows& rows, const PairsPanel& panel,
             size_t steps) {
  switch (count) {
    case 1:
      return Block<1>(rows, panel, steps);
    case 2:
      return Block<2>(rows, panel, steps);
    default:
      return Block<kMr>(rows, panel, steps);
  }
}

void Run(const GemmStripArgs& args) noexcept {
  const size_t lhs_stride = LhsRow(args.k), steps = PairsSteps(args.k);
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  const auto* lhs = static_cast<const uint8_t*>(args.packed_lhs) +
                    (args.row - args.packed_row) * lhs_stride;
  const size_t first = args.tile * kNr;
  for (size_t j = 0; j < kNr && first + j < args.n; j += kPairsPanel) {
    const PairsPanel panel =
        ViewPairsPanel(args.packed_rhs, (first + j) / kPairsPanel, args.k);
    auto* strip = static_cast<int32_t*>(args.strip) + j;
    for (size_t r = 0; r < args.rows; r += kMr) {
      BlockOf(args.rows - r,
              {lhs + r * lhs_stride, lhs_stride, strip + r * strip_stride,
               strip_stride},
              panel, steps);
    }
  }
}

// Sum of the four 64-bit lanes modulo 2^32.
HWY_INLINE uint32_t SumLanes(__m256i x) {
  const __m128i pair =
      _mm_add_epi64(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  return static_cast<uint32_t>(
      _mm_cvtsi128_si32(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair))));
}

// |c| and m of one row, and its row_add: the sum of |c| where c < 0, and
// weight_offset * sum_k c.
HWY_INLINE void PackRow(const CodeRow& codes, uint32_t weight_offset,
                        uint8_t* out) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i middle = _mm256_set1_epi8(static_cast<char>(128));
  __m256i sum = zero, below = zero;
  for (size_t i = 0; i < codes.k; i += 32) {
    __m256i c = _mm256_sub_epi8(LoadCodes(codes, i), middle);
    if (codes.k - i < 32) c = FirstBytes(c, codes.k - i);
    const __m256i size = _mm256_abs_epi8(c), sign = _mm256_cmpgt_epi8(zero, c);
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(size, zero));
    below = _mm256_add_epi64(
        below, _mm256_sad_epu8(_mm256_and_si256(size, sign), zero));
    const __m256i low = _mm256_unpacklo_epi32(size, sign);
    const __m256i high = _mm256_unpackhi_epi32(size, sign);
    auto* place = reinterpret_cast<__m256i*>(out + kLhsHeader + 2 * i);
    _mm256_storeu_si256(place, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256(place + 1, _mm256_permute2x128_si256(low, high, 0x31));
  }
  const uint32_t negative = SumLanes(below);
  const uint32_t row_add =
      negative + weight_offset * (SumLanes(sum) - 2 * negative);
  std::memcpy(out, &row_add, sizeof(row_add));
}

void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  const CodeRows all = CodeRowsOf(types.activations, lhs, k);
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t r = row; r < row + rows; ++r, out += LhsRow(k))
    PackRow(RowOf(all, r),
            static_cast<uint32_t>(PairsWeightOffset(types.weights)), out);
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

size_t MaxKOf(GemmTypes types) noexcept {
  const bool weights =
      types.weights != Operand::kSign && types.weights != Operand::kS16;
  const bool activations =
      types.activations == Operand::kSign || IsByteCode(types.activations);
  return weights && activations ? MaxK(types, 32) : 0;
}

size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * LhsRow(k);
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return PairsRhsBytes(n, k);
}

constexpr GemmKernel kKernels[] = {
    {"w8a8/maddubs/avx2", kAvx2, &MaxKOf, kNr, kMr, kPairsPanel, 4, &RhsBytes,
     &PackPairs, &LhsBytes, &PackLhs, &Run},
};

}  // namespace

GemmKernelList GemmW8A8Avx2Maddubs(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
