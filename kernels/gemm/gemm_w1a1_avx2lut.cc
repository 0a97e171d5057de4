// w1a1 on AVX2 by table look-up: no xor, no mask, zeros cost nothing. Four
// activations select a row of a static table,
//   T[s][w] = 4 + sum of sign * (+-1 of the bits of w) over the four k of a
//   group,
// and the four weight bits of a channel select the byte in it: vpshufb + vpaddb
// per 32 channels x 4 k, where a popcount takes eight instructions.
// Measured 1.5 times the popcount form (README.md). Left operand:
// states[row][g] (uint16) = byte offset of the table row of group g = sign bits
// << 4 | validity bits << 8. Right operand: packed[t][g][p] (byte) = bits k = 4
// g .. 4 g + 3 of one channel of tile t; byte p of 32 v + 2 i + h is channel 32
// v + 16 h + i, which makes widening come out in channel order. 0 past n.
// Range: an entry is in [0, 8], so 31 groups keep a byte <= 248; 16-bit sums
// start at -4 * groups and hold |dot| <= k <= 32764.
#if defined(__x86_64__)

#include <immintrin.h>

#include <array>

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 128;
constexpr size_t kMr = 2;
constexpr size_t kChunk = 31;  // groups between widenings

constexpr std::array<uint8_t, 256 * 16> MakeTable() {
  std::array<uint8_t, 256 * 16> table{};
  for (unsigned row = 0; row < 256; ++row) {
    for (unsigned w = 0; w < 16; ++w) {
      int sum = 4;
      for (unsigned bit = 0; bit < 4; ++bit) {
        const bool valid = (row >> (4 + bit) & 1) != 0;
        const bool equal = (row >> bit & 1) == (w >> bit & 1);
        sum += !valid ? 0 : equal ? 1 : -1;
      }
      table[row * 16 + w] = static_cast<uint8_t>(sum);
    }
  }
  return table;
}

alignas(64) constexpr std::array<uint8_t, 256 * 16> kTable = MakeTable();

size_t Groups(size_t k) { return CeilDiv(k, 4); }
size_t StateRow(size_t k) {
  return GroupWords(k) * 16;
}  // uint16 per row of states: whole 64-bit plane words

}  // namespace
}  // namespace bittern::kernels

HWY_PUSH_ATTRIBUTES("avx,avx2")
namespace bittern::kernels {
namespace {

struct Tile {  // 128 channels in bytes: of the weights of one group, or of one
               // row's sums
  __m256i c0, c1, c2, c3;
};

// 16-bit sums modulo 2^16 of one row: of the odd bytes alone, and of whole
// lanes (odd byte * 256 + even byte), which saves a mask per widening. Both
// start so that the 4 of each table entry cancels.
struct Wide {
  Tile both, odd;
};

HWY_INLINE Tile Zeros() {
  const __m256i zero = _mm256_setzero_si256();
  return {zero, zero, zero, zero};
}

HWY_INLINE Wide StartWide(size_t groups) {
  const auto odd = static_cast<uint16_t>(0 - 4 * groups);
  const __m256i o = _mm256_set1_epi16(static_cast<int16_t>(odd));
  const __m256i b = _mm256_set1_epi16(
      static_cast<int16_t>(static_cast<uint16_t>(odd * 257u)));
  return {{b, b, b, b}, {o, o, o, o}};
}

HWY_INLINE __m256i Load(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

HWY_INLINE __m256i TableRow(uint16_t offset) {
  return _mm256_broadcastsi128_si256(
      _mm_load_si128(reinterpret_cast<const __m128i*>(kTable.data() + offset)));
}

HWY_INLINE void Step(const Tile& w, uint16_t offset, Tile& sum) {
  const __m256i table = TableRow(offset);
  sum.c0 = _mm256_add_epi8(sum.c0, _mm256_shuffle_epi8(table, w.c0));
  sum.c1 = _mm256_add_epi8(sum.c1, _mm256_shuffle_epi8(table, w.c1));
  sum.c2 = _mm256_add_epi8(sum.c2, _mm256_shuffle_epi8(table, w.c2));
  sum.c3 = _mm256_add_epi8(sum.c3, _mm256_shuffle_epi8(table, w.c3));
}

HWY_INLINE void WidenVector(__m256i bytes, __m256i& both, __m256i& odd) {
  both = _mm256_add_epi16(both, bytes);
  odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
}

HWY_INLINE void Widen(const Tile& bytes, Wide& wide) {
  WidenVector(bytes.c0, wide.both.c0, wide.odd.c0);
  WidenVector(bytes.c1, wide.both.c1, wide.odd.c1);
  WidenVector(bytes.c2, wide.both.c2, wide.odd.c2);
  WidenVector(bytes.c3, wide.both.c3, wide.odd.c3);
}

HWY_INLINE void StoreSixteen(__m256i sums, int32_t* strip) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(strip),
                     _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sums)));
  _mm256_store_si256(reinterpret_cast<__m256i*>(strip + 8),
                     _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sums, 1)));
}

HWY_INLINE void StoreVector(__m256i both, __m256i odd, int32_t* strip) {
  StoreSixteen(_mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8)), strip);
  StoreSixteen(odd, strip + 16);
}

HWY_INLINE void StoreRow(const Wide& wide, int32_t* strip) {
  StoreVector(wide.both.c0, wide.odd.c0, strip);
  StoreVector(wide.both.c1, wide.odd.c1, strip + 32);
  StoreVector(wide.both.c2, wide.odd.c2, strip + 64);
  StoreVector(wide.both.c3, wide.odd.c3, strip + 96);
}

// One or two rows x 128 channels: two rows share the weight loads; a third
// would not fit 16 registers.
template <bool kTwo>
void Block(const uint16_t* states, size_t stride, const uint8_t* w,
           size_t groups, int32_t* strip, size_t strip_stride) {
  Wide wide0 = StartWide(groups), wide1 = wide0;
  size_t g = 0;
  do {  // groups >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    const size_t end = groups - g < kChunk ? groups : g + kChunk;
    Tile sum0 = Zeros(), sum1 = Zeros();
    do {
      const Tile weights{Load(w), Load(w + 32), Load(w + 64), Load(w + 96)};
      Step(weights, states[g], sum0);
      if (kTwo) Step(weights, states[stride + g], sum1);
      w += kNr;
    } while (++g < end);
    Widen(sum0, wide0);
    if (kTwo) Widen(sum1, wide1);
  } while (g < groups);
  StoreRow(wide0, strip);
  if (kTwo) StoreRow(wide1, strip + strip_stride);
}

HWY_INLINE void StepHalf(__m256i w0, __m256i w1, uint16_t upper, uint16_t lower,
                         Tile& sum) {
  const __m256i table0 = TableRow(upper), table1 = TableRow(lower);
  sum.c0 = _mm256_add_epi8(sum.c0, _mm256_shuffle_epi8(table0, w0));
  sum.c1 = _mm256_add_epi8(sum.c1, _mm256_shuffle_epi8(table0, w1));
  sum.c2 = _mm256_add_epi8(sum.c2, _mm256_shuffle_epi8(table1, w0));
  sum.c3 = _mm256_add_epi8(sum.c3, _mm256_shuffle_epi8(table1, w1));
}

// Four rows x the first 64 channels, for a last tile that has no more; a Tile
// holds two rows. `last` < 4 is the last row there is: the rows after it repeat
// it.
void HalfBlock(const uint16_t* states, size_t stride, const uint8_t* w,
               size_t groups, size_t last, int32_t* strip,
               size_t strip_stride) {
  const size_t r1 = last < 1 ? last : 1, r2 = last < 2 ? last : 2, r3 = last;
  const uint16_t *a1 = states + r1 * stride, *a2 = states + r2 * stride,
                 *a3 = states + r3 * stride;
  Wide wide0 = StartWide(groups), wide1 = wide0;
  size_t g = 0;
  do {
    const size_t end = groups - g < kChunk ? groups : g + kChunk;
    Tile sum0 = Zeros(), sum1 = Zeros();
    do {
      const __m256i w0 = Load(w), w1 = Load(w + 32);
      StepHalf(w0, w1, states[g], a1[g], sum0);
      StepHalf(w0, w1, a2[g], a3[g], sum1);
      w += kNr;
    } while (++g < end);
    Widen(sum0, wide0);
    Widen(sum1, wide1);
  } while (g < groups);
  StoreVector(wide0.both.c0, wide0.odd.c0, strip);
  StoreVector(wide0.both.c1, wide0.odd.c1, strip + 32);
  StoreVector(wide0.both.c2, wide0.odd.c2, strip + r1 * strip_stride);
  StoreVector(wide0.both.c3, wide0.odd.c3, strip + r1 * strip_stride + 32);
  StoreVector(wide1.both.c0, wide1.odd.c0, strip + r2 * strip_stride);
  StoreVector(wide1.both.c1, wide1.odd.c1, strip + r2 * strip_stride + 32);
  StoreVector(wide1.both.c2, wide1.odd.c2, strip + r3 * strip_stride);
  StoreVector(wide1.both.c3, wide1.odd.c3, strip + r3 * strip_stride + 32);
}

void Run(const GemmStripArgs& args) noexcept {
  const size_t groups = Groups(args.k), stride = StateRow(args.k);
  const auto* w =
      static_cast<const uint8_t*>(args.packed_rhs) + args.tile * groups * kNr;
  const auto* states = static_cast<const uint16_t*>(args.packed_lhs) +
                       (args.row - args.packed_row) * stride;
  auto* strip = static_cast<int32_t*>(args.strip);
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  if (args.n - args.tile * kNr <= kNr / 2) {
    for (size_t r = 0; r < args.rows; r += 4) {
      const size_t last = args.rows - r < 4 ? args.rows - r - 1 : 3;
      HalfBlock(states + r * stride, stride, w, groups, last,
                strip + r * strip_stride, strip_stride);
    }
    return;
  }
  size_t r = 0;
  for (; r + kMr <= args.rows; r += kMr) {
    Block<true>(states + r * stride, stride, w, groups,
                strip + r * strip_stride, strip_stride);
  }
  if (r < args.rows)
    Block<false>(states + r * stride, stride, w, groups,
                 strip + r * strip_stride, strip_stride);
}

// One 64-bit word of each plane -> 16 states. The low byte of a state holds the
// sign nibble in its upper half.
HWY_INLINE void PackWord(const uint64_t* sign, const uint64_t* valid,
                         uint16_t* states) {
  const __m128i low = _mm_set1_epi8(0x0F),
                high = _mm_set1_epi8(static_cast<char>(0xF0));
  const __m128i s = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(sign));
  const __m128i v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(valid));
  const __m128i even = _mm_unpacklo_epi8(
      _mm_and_si128(_mm_slli_epi16(s, 4), high), _mm_and_si128(v, low));
  const __m128i odd = _mm_unpacklo_epi8(
      _mm_and_si128(s, high), _mm_and_si128(_mm_srli_epi16(v, 4), low));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(states),
                   _mm_unpacklo_epi16(even, odd));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(states + 8),
                   _mm_unpackhi_epi16(even, odd));
}

void PackLhs(GemmTypes, const GemmLhs& lhs, size_t k, size_t row, size_t rows,
             void* packed) noexcept {
  const CodePlanes& p = lhs.planes;
  auto* states = static_cast<uint16_t*>(packed);
  for (size_t r = row; r < row + rows; ++r) {
    const uint64_t *sign = p.sign + r * p.row_words,
                   *valid = p.valid + r * p.row_words;
    for (size_t i = 0; i < GroupWords(k); ++i, states += 16)
      PackWord(sign + i, valid + i, states);
  }
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

size_t TypesMaxK(GemmTypes types) noexcept {
  const bool mine = types == GemmTypes{Operand::kBipolar, Operand::kSign};
  return mine ? 32764 : 0;
}

size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * StateRow(k) * sizeof(uint16_t);
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return RoundUp(n, kNr) * Groups(k);
}

void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  const auto* rows = static_cast<const uint8_t*>(w.data);
  const size_t n = w.n, k = w.k;
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(n, kNr); tile += kNr) {
    for (size_t g = 0; g < Groups(k); ++g) {
      for (size_t p = 0; p < kNr; ++p) {
        const size_t channel = tile + p / 32 * 32 + p % 2 * 16 + p % 32 / 2;
        const int byte =
            channel < n ? rows[channel * CeilDiv(k, 8) + g / 2] : 0;
        *out++ = static_cast<uint8_t>(g % 2 == 0 ? byte & 15 : byte >> 4);
      }
    }
  }
}

constexpr GemmKernel kKernels[] = {
    {"w1a1/lut/avx2", kAvx2, &TypesMaxK, kNr, kMr, kNr / 2, 4, &RhsBytes,
     &PackRhs, &LhsBytes, &PackLhs, &Run},
};

}  // namespace

GemmKernelList GemmW1A1Avx2Lut(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
