// w1a1 on AVX-512 with VPOPCNTDQ: channels in lanes, 32 k a step, a tile of 4
// rows x 64 channels in registers.
//   strip[r][j] = valid_count[r] - 2 * popcount((a[r] ^ w[j]) & valid[r])
//   (valid_count == k: no zeros, the mask drops out)
// Right operand: pack_bits.h with nr = 64, four 64-byte loads a step; the
// activation word is broadcast from memory. Range: a lane counts at most k
// mismatches, k <= 2^30. 16 accumulators + 4 weights + 2 broadcasts fit 32
// registers. Tests compile this file a second time over SIMDe (BITTERN_SIMDE),
// so that any CPU checks it.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include "kernels/base/avx512-inl.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_bits.h"

BITTERN_AVX512_BEGIN("avx512f,avx512bw,avx512vpopcntdq")

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 64;
constexpr size_t kMr = 4;

struct Tile {  // 64 channels: of the weights for 32 k, or of one row's mismatch
               // counts
  __m512i c0, c1, c2, c3;
};

struct Lhs {  // the first plane row of a block
  const uint64_t* sign;
  const uint64_t* valid;
  size_t stride;  // 64-bit words
};

HWY_INLINE Tile LoadWeights(const uint32_t* w) {
  return {_mm512_loadu_si512(w), _mm512_loadu_si512(w + 16),
          _mm512_loadu_si512(w + 32), _mm512_loadu_si512(w + 48)};
}

template <bool kMasked>
HWY_INLINE __m512i Mismatches(__m512i count, __m512i w, __m512i a,
                              __m512i valid) {
  constexpr int kXorAnd = 0x28;  // truth table of (x ^ y) & z
  const __m512i x = kMasked ? _mm512_ternarylogic_epi32(w, a, valid, kXorAnd)
                            : _mm512_xor_si512(w, a);
  return _mm512_add_epi32(count, _mm512_popcnt_epi32(x));
}

template <bool kMasked>
HWY_INLINE void Step(const Tile& w, const Lhs& lhs, size_t r, size_t i,
                     Tile& row) {
  const __m512i a = _mm512_set1_epi32(
      static_cast<int>(PlaneWord(lhs.sign + r * lhs.stride, i)));
  const __m512i v = kMasked ? _mm512_set1_epi32(static_cast<int>(
                                  PlaneWord(lhs.valid + r * lhs.stride, i)))
                            : a;
  row.c0 = Mismatches<kMasked>(row.c0, w.c0, a, v);
  row.c1 = Mismatches<kMasked>(row.c1, w.c1, a, v);
  row.c2 = Mismatches<kMasked>(row.c2, w.c2, a, v);
  row.c3 = Mismatches<kMasked>(row.c3, w.c3, a, v);
}

HWY_INLINE void Store(__m512i count, __m512i valid_count, int32_t* strip) {
  _mm512_store_si512(
      strip, _mm512_sub_epi32(valid_count, _mm512_add_epi32(count, count)));
}

HWY_INLINE void StoreRow(const Tile& row, int32_t valid_count, int32_t* strip) {
  const __m512i base = _mm512_set1_epi32(valid_count);
  Store(row.c0, base, strip);
  Store(row.c1, base, strip + 16);
  Store(row.c2, base, strip + 32);
  Store(row.c3, base, strip + 48);
}

// kRows named accumulator rows: g++ 12 keeps an array of them in memory.
template <bool kMasked, size_t kRows>
void Block(const Lhs& lhs, const uint32_t* w, size_t words,
           const int32_t* valid_count, int32_t* strip, size_t stride) {
  const __m512i zero = _mm512_setzero_si512();
  Tile r0{zero, zero, zero, zero}, r1 = r0, r2 = r0, r3 = r0;
  size_t i = 0;
  do {  // words >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    const Tile weights = LoadWeights(w);
    Step<kMasked>(weights, lhs, 0, i, r0);
    if constexpr (kRows > 1) Step<kMasked>(weights, lhs, 1, i, r1);
    if constexpr (kRows > 2) Step<kMasked>(weights, lhs, 2, i, r2);
    if constexpr (kRows > 3) Step<kMasked>(weights, lhs, 3, i, r3);
    w += kNr;
  } while (++i < words);
  StoreRow(r0, valid_count[0], strip);
  if constexpr (kRows > 1) StoreRow(r1, valid_count[1], strip + stride);
  if constexpr (kRows > 2) StoreRow(r2, valid_count[2], strip + 2 * stride);
  if constexpr (kRows > 3) StoreRow(r3, valid_count[3], strip + 3 * stride);
}

template <size_t kRows>
void BlockOf(const Lhs& lhs, const uint32_t* w, size_t k,
             const int32_t* valid_count, int32_t* strip, size_t stride) {
  bool masked = false;
  for (size_t r = 0; r < kRows; ++r)
    masked |= valid_count[r] != static_cast<int32_t>(k);
  const size_t words = CeilDiv(k, 32);
  masked ? Block<true, kRows>(lhs, w, words, valid_count, strip, stride)
         : Block<false, kRows>(lhs, w, words, valid_count, strip, stride);
}

void Run(const GemmStripArgs& args) noexcept {
  const CodePlanes& p = args.lhs->planes;
  const auto* w = static_cast<const uint32_t*>(args.packed_rhs) +
                  args.tile * CeilDiv(args.k, 32) * kNr;
  const size_t stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  const int32_t* valid_count = p.valid_count + args.row;
  auto* strip = static_cast<int32_t*>(args.strip);
  Lhs lhs{p.sign + args.row * p.row_words, p.valid + args.row * p.row_words,
          p.row_words};
  size_t r = 0;
  for (; r + kMr <= args.rows; r += kMr) {
    BlockOf<kMr>(lhs, w, args.k, valid_count + r, strip + r * stride, stride);
    lhs = {lhs.sign + kMr * lhs.stride, lhs.valid + kMr * lhs.stride,
           lhs.stride};
  }
  switch (args.rows - r) {
    case 3:
      return BlockOf<3>(lhs, w, args.k, valid_count + r, strip + r * stride,
                        stride);
    case 2:
      return BlockOf<2>(lhs, w, args.k, valid_count + r, strip + r * stride,
                        stride);
    case 1:
      return BlockOf<1>(lhs, w, args.k, valid_count + r, strip + r * stride,
                        stride);
    default:
      return;
  }
}

}  // namespace
}  // namespace bittern::kernels

BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

size_t TypesMaxK(GemmTypes types) noexcept {
  const bool mine = types == GemmTypes{Operand::kBipolar, Operand::kSign};
  return mine ? size_t{1} << 30 : 0;
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return PackedBitsBytes(n, k, kNr);
}
void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  PackBits(w.data, w.n, w.k, kNr, packed);
}

constexpr GemmKernel kKernels[] = {
    {"w1a1/popcount/avx512vpopcntdq", kAvx512 | kAvx512Vpopcntdq, &TypesMaxK,
     kNr, kMr, kNr, 32, &RhsBytes, &PackRhs, nullptr, nullptr, &Run},
};

}  // namespace

#ifdef BITTERN_SIMDE
GemmKernelList GemmW1A1Avx512VpopcntdqSimde() { return kKernels; }
#else
GemmKernelList GemmW1A1Avx512Vpopcntdq(const CpuFeatures&) { return kKernels; }
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
