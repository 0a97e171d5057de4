// w8a8 and w16a8 on AVX-512 VNNI: vpdpbusd of unsigned activations with signed
// weights, vpdpwssd of words; channels in lanes, 4 (2) k a step, a tile of 6
// rows x 64 channels in registers.
//   strip[r][j] = row_add[r] + channel_add[j] + sum_i dot(a'[r][i], w'[i][j])
// Operands: pack_dot.h, exact for every byte (no saturating instruction). k
// runs in chunks whose panel of weights stays in L1 while the rows of the strip
// pass; sums wait in the strip in between. Range: sums modulo 2^32, max_k keeps
// the product within an int32. 24 accumulators + 4 weights + broadcasts fit 32
// registers. Tests compile this file a second time over SIMDe (BITTERN_SIMDE).
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include "kernels/base/avx512-inl.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_dot.h"

BITTERN_AVX512_BEGIN("avx512f,avx512bw,avx512vl,avx512vnni")

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 64;
constexpr size_t kMr = 6;
constexpr size_t kChunk = 96;  // 32-bit lanes of k: 24 KB of weights

struct Bytes {
  static constexpr DotElement kElement = DotElement::kByte;
  static HWY_INLINE __m512i Dot(__m512i sum, __m512i a, __m512i w) {
    return _mm512_dpbusd_epi32(sum, a, w);
  }
};

struct Words {
  static constexpr DotElement kElement = DotElement::kWord;
  static HWY_INLINE __m512i Dot(__m512i sum, __m512i a, __m512i w) {
    return _mm512_dpwssd_epi32(sum, a, w);
  }
};

struct Tile {  // 64 channels: of the weights of one step, or of one row's sums
  __m512i c0, c1, c2, c3;
};

struct Rows {          // of one block
  const int32_t* lhs;  // the chunk's first lane of the first row
  size_t lhs_stride;   // int32
  const int32_t* add;  // row_add of the first row
  size_t add_stride;
  const int32_t* start;  // what the sums start from: channel_add or the strip
  size_t start_stride;
  int32_t* strip;
  size_t strip_stride;
};

// kWhole: all four vectors of a tile, else two (a last tile of at most 32
// channels).
template <bool kWhole>
HWY_INLINE Tile Load(const int32_t* p) {
  const __m512i c0 = _mm512_loadu_si512(p);
  return {c0, _mm512_loadu_si512(p + 16),
          kWhole ? _mm512_loadu_si512(p + 32) : c0,
          kWhole ? _mm512_loadu_si512(p + 48) : c0};
}

template <bool kWhole>
HWY_INLINE Tile Start(const Rows& rows, size_t r) {
  const Tile t = Load<kWhole>(rows.start + r * rows.start_stride);
  const __m512i add = _mm512_set1_epi32(rows.add[r * rows.add_stride]);
  return {_mm512_add_epi32(t.c0, add), _mm512_add_epi32(t.c1, add),
          _mm512_add_epi32(t.c2, add), _mm512_add_epi32(t.c3, add)};
}

template <class T, bool kWhole>
HWY_INLINE void Step(const Tile& w, int32_t lane, Tile& sum) {
  const __m512i a = _mm512_set1_epi32(lane);
  sum.c0 = T::Dot(sum.c0, a, w.c0);
  sum.c1 = T::Dot(sum.c1, a, w.c1);
  if constexpr (kWhole) {
    sum.c2 = T::Dot(sum.c2, a, w.c2);
    sum.c3 = T::Dot(sum.c3, a, w.c3);
  }
}

template <bool kWhole>
HWY_INLINE void Store(const Tile& sum, int32_t* strip) {
  _mm512_store_si512(strip, sum.c0);
  _mm512_store_si512(strip + 16, sum.c1);
  if constexpr (kWhole) {
    _mm512_store_si512(strip + 32, sum.c2);
    _mm512_store_si512(strip + 48, sum.c3);
  }
}

// kRows named accumulator rows: g++ 12 keeps an array of them in memory.
template <class T, bool kWhole, size_t kRows>
void Block(const Rows& rows, const int32_t* w, size_t lanes) {
  const size_t stride = rows.lhs_stride;
  const int32_t *a = rows.lhs, *b = kRows > 3 ? a + 3 * stride : a;
  Tile r0 = Start<kWhole>(rows, 0), r1 = r0, r2 = r0, r3 = r0, r4 = r0, r5 = r0;
  if constexpr (kRows > 1) r1 = Start<kWhole>(rows, 1);
  if constexpr (kRows > 2) r2 = Start<kWhole>(rows, 2);
  if constexpr (kRows > 3) r3 = Start<kWhole>(rows, 3);
  if constexpr (kRows > 4) r4 = Start<kWhole>(rows, 4);
  if constexpr (kRows > 5) r5 = Start<kWhole>(rows, 5);
  const int32_t* end = w + lanes * kNr;
  do {  // lanes >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    const Tile weights = Load<kWhole>(w);
    Step<T, kWhole>(weights, a[0], r0);
    if constexpr (kRows > 1) Step<T, kWhole>(weights, a[stride], r1);
    if constexpr (kRows > 2) Step<T, kWhole>(weights, a[2 * stride], r2);
    if constexpr (kRows > 3) Step<T, kWhole>(weights, b[0], r3);
    if constexpr (kRows > 4) Step<T, kWhole>(weights, b[stride], r4);
    if constexpr (kRows > 5) Step<T, kWhole>(weights, b[2 * stride], r5);
    ++a;
    ++b;
    w += kNr;
  } while (w != end);
  int32_t* out = rows.strip;
  const size_t next = rows.strip_stride;
  Store<kWhole>(r0, out);
  if constexpr (kRows > 1) Store<kWhole>(r1, out + next);
  if constexpr (kRows > 2) Store<kWhole>(r2, out + 2 * next);
  if constexpr (kRows > 3) Store<kWhole>(r3, out + 3 * next);
  if constexpr (kRows > 4) Store<kWhole>(r4, out + 4 * next);
  if constexpr (kRows > 5) Store<kWhole>(r5, out + 5 * next);
}

// One row: even and odd lanes have sums of their own, since four chains of
// vpdpbusd would wait for each other.
template <class T>
void OneRow(const Rows& rows, const int32_t* w, size_t lanes) {
  const __m512i zero = _mm512_setzero_si512();
  Tile even = Start<true>(rows, 0), odd{zero, zero, zero, zero};
  size_t i = 0;
  for (; i + 2 <= lanes; i += 2, w += 2 * kNr) {
    Step<T, true>(Load<true>(w), rows.lhs[i], even);
    Step<T, true>(Load<true>(w + kNr), rows.lhs[i + 1], odd);
  }
  if (i < lanes) Step<T, true>(Load<true>(w), rows.lhs[i], even);
  Store<true>(
      {_mm512_add_epi32(even.c0, odd.c0), _mm512_add_epi32(even.c1, odd.c1),
       _mm512_add_epi32(even.c2, odd.c2), _mm512_add_epi32(even.c3, odd.c3)},
      rows.strip);
}

template <class T, bool kWhole>
void BlockOf(size_t count, const Rows& rows, const int32_t* w, size_t lanes) {
  switch (count) {
    case 1:
      return OneRow<T>(rows, w, lanes);
    case 2:
      return Block<T, kWhole, 2>(rows, w, lanes);
    case 3:
      return Block<T, kWhole, 3>(rows, w, lanes);
    case 4:
      return Block<T, kWhole, 4>(rows, w, lanes);
    case 5:
      return Block<T, kWhole, 5>(rows, w, lanes);
    default:
      return Block<T, kWhole, kMr>(rows, w, lanes);
  }
}

template <class T>
void Run(const GemmStripArgs& args) noexcept {
  static constexpr int32_t kNothing = 0;
  const size_t lanes = DotWords(T::kElement, args.k);
  const auto* rhs = static_cast<const int32_t*>(args.packed_rhs) +
                    args.tile * (1 + lanes) * kNr;
  const size_t lhs_stride = DotLhsRow(T::kElement, args.k) / sizeof(int32_t);
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  const auto* lhs = static_cast<const int32_t*>(args.packed_lhs) +
                    (args.row - args.packed_row) * lhs_stride;
  auto* strip = static_cast<int32_t*>(args.strip);
  const auto block_of = args.n - args.tile * kNr > kNr / 2 ? &BlockOf<T, true>
                                                           : &BlockOf<T, false>;
  for (size_t i = 0; i < lanes; i += kChunk) {
    const size_t chunk = lanes - i < kChunk ? lanes - i : kChunk;
    for (size_t r = 0; r < args.rows; r += kMr) {
      const int32_t* row = lhs + r * lhs_stride;
      int32_t* out = strip + r * strip_stride;
      const Rows first{
          row + kDotLhsHeader, lhs_stride, row, lhs_stride, rhs, 0, out,
          strip_stride};
      const Rows next{row + kDotLhsHeader + i,
                      lhs_stride,
                      &kNothing,
                      0,
                      out,
                      strip_stride,
                      out,
                      strip_stride};
      block_of(args.rows - r, i == 0 ? first : next, rhs + (1 + i) * kNr,
               chunk);
    }
  }
}

// 64 codes of a row from element i on, a multiple of 64; 0 past k.
HWY_INLINE __m512i LoadCodes(GemmTypes types, const GemmLhs& lhs, size_t row,
                             size_t i, size_t k) {
  if (types.activations != Operand::kSign) {
    const uint8_t* codes =
        lhs.bytes + static_cast<ptrdiff_t>(row) * lhs.bytes_stride + i;
    __builtin_prefetch(codes + kCodesAhead);
    return LoadBytes(codes, k - i);
  }
  const CodePlanes& p = lhs.planes;
  const size_t word = row * p.row_words + i / 64;
  const __m512i minus = _mm512_movm_epi8(p.valid[word]);
  return _mm512_mask_set1_epi8(minus, p.sign[word], 1);
}

void PackLhsBytes(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
                  size_t rows, void* packed) noexcept {
  const __m512i ones = _mm512_set1_epi8(1);
  const __m512i offset =
      _mm512_set1_epi8(static_cast<char>(DotLhsOffset(types)));
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t r = row; r < row + rows; ++r) {
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < k; i += 64) {
      const __m512i codes = LoadCodes(types, lhs, r, i, k);
      const __mmask64 in_row =
          i + 64 <= k ? ~uint64_t{0} : (uint64_t{1} << (k - i)) - 1;
      const __m512i a =
          _mm512_maskz_mov_epi8(in_row, _mm512_xor_si512(codes, offset));
      sum = _mm512_dpbusd_epi32(sum, a, ones);
      _mm512_storeu_si512(out + 64 + i, a);
    }
    const int32_t add = DotRhsOffset(types) * SumLanes(sum);
    _mm512_storeu_si512(out, _mm512_set1_epi32(add));
    out += DotLhsRow(DotElement::kByte, k);
  }
}

void PackLhsWords(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
                  size_t rows, void* packed) noexcept {
  const __m512i mask = _mm512_set1_epi16(
      RangeOf(types.activations).lo < 0 ? int16_t{-1} : int16_t{0xFF});
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t r = row; r < row + rows; ++r) {
    _mm512_storeu_si512(out, _mm512_setzero_si512());
    for (size_t i = 0; i < k; i += 64) {
      const __m512i codes = LoadCodes(types, lhs, r, i, k);
      const __m512i low = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(codes));
      const __m512i high =
          _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(codes, 1));
      uint8_t* words = out + 64 + 2 * i;
      _mm512_storeu_si512(words, _mm512_and_si512(low, mask));
      if (i + 32 < k)
        _mm512_storeu_si512(words + 64, _mm512_and_si512(high, mask));
    }
    out += DotLhsRow(DotElement::kWord, k);
  }
}

}  // namespace
}  // namespace bittern::kernels

BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

template <DotElement kElement>
size_t TypesMaxK(GemmTypes types) noexcept {
  return DotMaxK(kElement, types);
}
template <DotElement kElement>
size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * DotLhsRow(kElement, k);
}
template <DotElement kElement>
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return DotRhsBytes(kElement, n, k, kNr);
}
template <DotElement kElement>
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  PackDotRhs(kElement, w, activations, kNr, packed);
}

constexpr GemmKernel kKernels[] = {
    {"w8a8/vnni/avx512vnni", kAvx512 | kAvx512Vnni,
     &TypesMaxK<DotElement::kByte>, kNr, kMr, kNr / 2, 4,
     &RhsBytes<DotElement::kByte>, &PackRhs<DotElement::kByte>,
     &LhsBytes<DotElement::kByte>, &PackLhsBytes, &Run<Bytes>},
    {"w16a8/vnni/avx512vnni", kAvx512 | kAvx512Vnni,
     &TypesMaxK<DotElement::kWord>, kNr, kMr, kNr / 2, 2,
     &RhsBytes<DotElement::kWord>, &PackRhs<DotElement::kWord>,
     &LhsBytes<DotElement::kWord>, &PackLhsWords, &Run<Words>},
};

}  // namespace

#ifdef BITTERN_SIMDE
GemmKernelList GemmW8A8Avx512VnniSimde() { return kKernels; }
#else
GemmKernelList GemmW8A8Avx512Vnni(const CpuFeatures&) { return kKernels; }
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
