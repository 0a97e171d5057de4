// 1- and 2-bit weights x 1- to 4-bit activations on AVX2 by table look-up
// (lut_avx2-inl.h). With i the index of an activation's value and j that of a
// weight's (a = a0 + sa * i, w = w0 + sw * j) one table serves every encoding:
//   dot(a, w) = sa * sw * sum i * j + w0 * sum a + sw * a0 * sum j,
// a table entry being the sum of i * j over a group, the second term the row's
// and the third the channel's. 1-bit weights: 4 k a group, 256 table rows;
// 2-bit weights: 2 k a group, 16 table rows. Activations of 3 and 4 bits take
// two passes, one a digit of base 4 of i.
// Left operand: rows of [row term, int16, padded to 32 bytes][states of the
// high digit, if any][states of the low digit]. Right operand: tiles of
// [channel terms, int16][nibbles of 4 or 2 j]; 0 past n and k, where i is 0
// too. Range: a group adds at most 12 (1-bit weights) or 18 to a byte; all
// terms are modulo 2^16 and |dot| <= 32767.
#if defined(__x86_64__)

#include <immintrin.h>

#include <array>

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/lhs_codes_avx2-inl.h"
#include "kernels/gemm/lut_avx2-inl.h"

namespace bittern::kernels {
namespace {

// Entry [row][nibble] = sum over the kUnit k of a group of i * j; i are base-4
// digits of the row, j fields of 4 / kUnit bits of the nibble.
template <size_t kUnit>
constexpr auto MakeTable() {
  constexpr size_t kRows = kUnit == 4 ? 256 : 16;
  constexpr unsigned kBits = 4 / kUnit;
  std::array<uint8_t, kRows * 16> table{};
  for (unsigned row = 0; row < kRows; ++row) {
    for (unsigned nibble = 0; nibble < 16; ++nibble) {
      unsigned sum = 0;
      for (unsigned u = 0; u < kUnit; ++u) {
        const unsigned j = nibble >> (kBits * u) & ((1u << kBits) - 1);
        sum += (row >> (2 * u) & 3) * j;
      }
      table[row * 16 + nibble] = static_cast<uint8_t>(sum);
    }
  }
  return table;
}

alignas(64) constexpr auto kTable4 = MakeTable<4>();
alignas(64) constexpr auto kTable2 = MakeTable<2>();

const uint8_t* TableOf(size_t unit) {
  return unit == 4 ? kTable4.data() : kTable2.data();
}

constexpr size_t kTermRow = 16;  // uint16 before the states of a row

// How the values of a type are numbered: lo + step * index, index < levels.
struct Numbers {
  int32_t lo, step, levels;
};

Numbers NumbersOf(Operand type) {
  const ValueRange range = RangeOf(type);
  const int32_t step = StepOf(type);
  return {range.lo, step, (range.hi - range.lo) / step + 1};
}

struct Layout {  // of one pair of types
  Numbers w, a;
  size_t unit;    // k a group
  size_t digits;  // of base 4 of an activation's index
  size_t chunk;   // groups between widenings

  size_t States(size_t k) const { return RoundUp(k, 32) / unit; }  // a digit
  size_t LhsRow(size_t k) const { return kTermRow + digits * States(k); }
  size_t TileBytes(size_t k) const {
    return kLutNr * (sizeof(int16_t) + CeilDiv(k, unit));
  }
};

Layout LayoutOf(GemmTypes types) {
  const Numbers w = NumbersOf(types.weights), a = NumbersOf(types.activations);
  const size_t unit = w.levels == 2 ? 4 : 2;
  const int32_t digit = a.levels > 4 ? 3 : a.levels - 1;
  return {w, a, unit, a.levels > 4 ? size_t{2} : size_t{1},
          255 / (unit * static_cast<size_t>(digit * (w.levels - 1)))};
}

}  // namespace
}  // namespace bittern::kernels

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
    const auto row = static_cast<int16_t>(states[-ptrdiff_t{kTermRow}]);
    return _mm256_add_epi16(_mm256_sll_epi16(sums, shift),
                            _mm256_add_epi16(channels, _mm256_set1_epi16(row)));
  }
};

void Run(const GemmStripArgs& args) noexcept {
  const Layout layout = LayoutOf(args.types);
  const size_t stride = layout.LhsRow(args.k);
  const auto* states = static_cast<const uint16_t*>(args.packed_lhs) +
                       (args.row - args.packed_row) * stride + kTermRow;
  const LutRows rows{TableOf(layout.unit),
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
                     args.tile * layout.TileBytes(args.k);
  const Affine finish{reinterpret_cast<const int16_t*>(tile),
                      _mm_cvtsi32_si128(layout.w.step * layout.a.step / 2)};
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

HWY_INLINE int32_t Sum(__m256i quads) {
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(quads),
                                     _mm256_extracti128_si256(quads, 1));
  return _mm_cvtsi128_si32(_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair)));
}

template <size_t kUnit>
void PackRow(const Layout& layout, const CodeRow& codes, uint16_t* row) {
  const Numbers& a = layout.a;
  const __m256i digit = _mm256_set1_epi8(3), zero = _mm256_setzero_si256();
  __m256i sum = zero;
  uint16_t* high = row + kTermRow;
  uint16_t* low = high + (layout.digits - 1) * layout.States(codes.k);
  for (size_t i = 0; i < codes.k; i += 32) {
    __m256i index = LoadCodes(codes, i);
    if (a.step == 2)  // codes less than 8: no bit crosses a byte
      index = _mm256_srli_epi16(index, 1);
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(index, zero));
    low = PutStates<kUnit>(_mm256_and_si256(index, digit), low);
    if (layout.digits == 1) continue;
    const __m256i rest = _mm256_srli_epi16(index, 2);
    high = PutStates<kUnit>(_mm256_and_si256(rest, digit), high);
  }
  const int32_t total =
      a.lo * static_cast<int32_t>(codes.k) + a.step * Sum(sum);
  *row = static_cast<uint16_t>(layout.w.lo * total);
}

void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  const Layout layout = LayoutOf(types);
  const CodeRows all = CodeRowsOf(types.activations, lhs, k);
  auto* out = static_cast<uint16_t*>(packed);
  for (size_t r = row; r < row + rows; ++r, out += layout.LhsRow(k)) {
    layout.unit == 4 ? PackRow<4>(layout, RowOf(all, r), out)
                     : PackRow<2>(layout, RowOf(all, r), out);
  }
}

}  // namespace
}  // namespace bittern::kernels
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

// kUnit k a group; sign planes or byte codes.
template <size_t kUnit, bool kPlanes>
size_t TypesMaxK(GemmTypes types) noexcept {
  const Numbers w = NumbersOf(types.weights), a = NumbersOf(types.activations);
  const bool weights =
      types.weights != Operand::kSign &&
      (kUnit == 4 ? w.levels == 2 : w.levels == 3 || w.levels == 4);
  const bool activations = kPlanes ? types.activations == Operand::kSign
                                   : IsByteCode(types.activations) &&
                                         a.levels <= (kUnit == 4 ? 16 : 4);
  return weights && activations ? MaxK(types, 16) : 0;
}

size_t LhsBytes(GemmTypes types, size_t rows, size_t k) noexcept {
  return rows * LayoutOf(types).LhsRow(k) * sizeof(uint16_t);
}
size_t RhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return CeilDiv(n, kLutNr) * LayoutOf(types).TileBytes(k);
}
size_t Passes(GemmTypes types) noexcept { return LayoutOf(types).digits; }

void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  const Layout layout = LayoutOf({w.type, activations});
  const Numbers& numbers = layout.w;
  const size_t unit = layout.unit;
  const auto index = [&](size_t channel, size_t k) {
    return channel < w.n && k < w.k
               ? (ValueAt(w, channel, k) - numbers.lo) / numbers.step
               : 0;
  };
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t tile = 0; tile < w.n; tile += kLutNr) {
    auto* terms = reinterpret_cast<int16_t*>(out);
    for (size_t j = 0; j < kLutNr; ++j) {
      int32_t sum = 0;
      for (size_t k = 0; k < w.k; ++k) sum += index(tile + j, k);
      terms[j] = static_cast<int16_t>(numbers.step * layout.a.lo * sum);
    }
    out += kLutNr * sizeof(int16_t);
    for (size_t k = 0; k < w.k; k += unit) {
      for (size_t p = 0; p < kLutNr; ++p) {
        int32_t nibble = 0;
        for (size_t u = 0; u < unit; ++u)
          nibble |= index(tile + LutChannel(p), k + u) << (u * 4 / unit);
        *out++ = static_cast<uint8_t>(nibble);
      }
    }
  }
}

constexpr GemmKernel kKernels[] = {
    {"w1a2/lut/avx2", kAvx2, &TypesMaxK<4, false>, kLutNr, kLutMr, kLutHalf, 4,
     &RhsBytes, &PackRhs, &LhsBytes, &PackLhs, &Run, &Passes},
    {"w2a2/lut/avx2", kAvx2, &TypesMaxK<2, false>, kLutNr, kLutMr, kLutHalf, 2,
     &RhsBytes, &PackRhs, &LhsBytes, &PackLhs, &Run},
    {"w2a1/lut/avx2", kAvx2, &TypesMaxK<2, true>, kLutNr, kLutMr, kLutHalf, 2,
     &RhsBytes, &PackRhs, &LhsBytes, &PackLhs, &Run},
};

}  // namespace

GemmKernelList GemmW2A2Avx2Lut(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
