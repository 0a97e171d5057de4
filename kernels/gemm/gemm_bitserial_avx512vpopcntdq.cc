// Bit-serial products of codes of at most four bits on AVX-512 with VPOPCNTDQ:
// channels in lanes, 32 k a step, a tile of 4 rows x 64 channels in registers.
//   strip[r][j] = row_add[r] + channel_add[j] + scale * S
//   S = sum_pq 2^(p + q) * popcount(w plane p & a plane q)
// Operands: pack_planes.h. Pairs of planes run in order of falling p + q, and
// the sums double from one p + q to the next: one accumulator an output. Range:
// sums modulo 2^32, max_k keeps the product within an int32. 16 accumulators +
// 4 weights + a broadcast fit 32 registers.
#if defined(__x86_64__) || defined(BITTERN_SIMDE)

#include "kernels/base/avx512-inl.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_planes.h"

BITTERN_AVX512_BEGIN("popcnt,avx512f,avx512bw,avx512vpopcntdq")
namespace bittern::kernels {
namespace {

constexpr size_t kNr = 64;
constexpr size_t kMr = 4;

struct Tile {  // 64 channels: of one weight plane for 32 k, or of one row's
               // sums
  __m512i c0, c1, c2, c3;
};

HWY_INLINE Tile Load(const uint32_t* p) {
  return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 16),
          _mm512_loadu_si512(p + 32), _mm512_loadu_si512(p + 48)};
}

HWY_INLINE void Count(__m512i w, __m512i a, __m512i& sum) {
  sum = _mm512_add_epi32(sum, _mm512_popcnt_epi32(_mm512_and_si512(w, a)));
}

HWY_INLINE void Step(const Tile& w, uint32_t word, Tile& sum) {
  const __m512i a = _mm512_set1_epi32(static_cast<int32_t>(word));
  Count(w.c0, a, sum.c0);
  Count(w.c1, a, sum.c1);
  Count(w.c2, a, sum.c2);
  Count(w.c3, a, sum.c3);
}

HWY_INLINE void Shift(Tile& sum, __m128i count) {
  sum.c0 = _mm512_sll_epi32(sum.c0, count);
  sum.c1 = _mm512_sll_epi32(sum.c1, count);
  sum.c2 = _mm512_sll_epi32(sum.c2, count);
  sum.c3 = _mm512_sll_epi32(sum.c3, count);
}

struct Sums {  // named rows: g++ 12 keeps arrays in memory
  Tile r0, r1, r2, r3;
};

template <size_t kRows>
HWY_INLINE void ShiftRows(Sums& sums, int doublings) {
  const __m128i count = _mm_cvtsi32_si128(doublings);
  Shift(sums.r0, count);
  if constexpr (kRows > 1) Shift(sums.r1, count);
  if constexpr (kRows > 2) Shift(sums.r2, count);
  if constexpr (kRows > 3) Shift(sums.r3, count);
}

// One pair of planes.
template <size_t kRows>
HWY_INLINE void Pass(const uint32_t* a, size_t stride, const uint32_t* w,
                     size_t words, Sums& sums) {
  const uint32_t* end = a + words;
  do {  // words >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    const Tile weights = Load(w);
    Step(weights, a[0], sums.r0);
    if constexpr (kRows > 1) Step(weights, a[stride], sums.r1);
    if constexpr (kRows > 2) Step(weights, a[2 * stride], sums.r2);
    if constexpr (kRows > 3) Step(weights, a[3 * stride], sums.r3);
    w += kNr;
  } while (++a != end);
}

HWY_INLINE void Store(__m512i sum, __m512i row_add, const uint32_t* channel_add,
                      int32_t* strip) {
  const __m512i add =
      _mm512_add_epi32(row_add, _mm512_loadu_si512(channel_add));
  _mm512_store_si512(strip, _mm512_add_epi32(sum, add));
}

HWY_INLINE void StoreRow(const Tile& sum, const PlanesCall& call, size_t r) {
  const __m512i row_add =
      _mm512_set1_epi32(static_cast<int32_t>(call.lhs[r * call.lhs_stride]));
  int32_t* strip = call.strip + r * call.strip_stride;
  Store(sum.c0, row_add, call.rhs, strip);
  Store(sum.c1, row_add, call.rhs + 16, strip + 16);
  Store(sum.c2, row_add, call.rhs + 32, strip + 32);
  Store(sum.c3, row_add, call.rhs + 48, strip + 48);
}

template <size_t kRows>
void Block(const PlanesCall& call) {
  const __m512i zero = _mm512_setzero_si512();
  const Tile none{zero, zero, zero, zero};
  Sums sums{none, none, none, none};
  const PlanePasses& passes = call.Passes(kRows);
  const uint32_t* a = call.lhs + kPlanesHeader;
  const uint32_t* w = call.rhs + kNr;
  for (size_t i = 0; i < passes.count; ++i) {
    const PlanePasses::Pass& pass = passes.pass[i];
    ShiftRows<kRows>(sums, pass.doublings);
    Pass<kRows>(a + pass.a, call.lhs_stride, w + pass.w, call.words, sums);
  }
  ShiftRows<kRows>(sums, passes.last);
  StoreRow(sums.r0, call, 0);
  if constexpr (kRows > 1) StoreRow(sums.r1, call, 1);
  if constexpr (kRows > 2) StoreRow(sums.r2, call, 2);
  if constexpr (kRows > 3) StoreRow(sums.r3, call, 3);
}

void Run(const GemmStripArgs& args) noexcept {
  PlanesCall call(args, kNr);
  size_t rows = args.rows;
  for (; rows >= kMr; rows -= kMr) {
    Block<kMr>(call);
    call.lhs += kMr * call.lhs_stride;
    call.strip += kMr * call.strip_stride;
  }
  switch (rows) {
    case 3:
      return Block<3>(call);
    case 2:
      return Block<2>(call);
    case 1:
      return Block<1>(call);
    default:
      return;
  }
}

// Bits of a 64-bit word of planes.
HWY_INLINE uint32_t CountWord(const uint32_t* words) {
  uint64_t word;
  std::memcpy(&word, words, sizeof(word));
  return static_cast<uint32_t>(__builtin_popcountll(word));
}

// Planes of one row of byte codes: 64 of them a step, one mask a plane. Returns
// the sum of v.
HWY_INLINE uint32_t PackByteRow(const uint8_t* codes, Levels levels, size_t k,
                                uint32_t* planes) {
  const __m512i lo = _mm512_set1_epi8(static_cast<char>(levels.lo));
  const int first = levels.step;  // bit of step * v = a - lo
  const int last = levels.step * levels.max;
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < k; i += 64) {
    const __mmask64 in_row =
        k - i < 64 ? (uint64_t{1} << (k - i)) - 1 : ~uint64_t{0};
    const __m512i v = _mm512_maskz_mov_epi8(
        in_row, _mm512_sub_epi8(LoadBytes(codes + i, k - i), lo));
    sum = _mm512_add_epi64(sum, _mm512_sad_epu8(v, _mm512_setzero_si512()));
    uint32_t* out = planes + i / 32;
    for (int bit = first; bit <= last; bit *= 2, out += PlaneWords(k)) {
      const uint64_t bits =
          _mm512_test_epi8_mask(v, _mm512_set1_epi8(static_cast<char>(bit)));
      std::memcpy(out, &bits, sizeof(bits));
    }
  }
  return static_cast<uint32_t>(SumLanes(sum) / levels.step);
}

void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  const Levels levels = LevelsOf(types.activations);
  const size_t stride = PlanesLhsRow(types, k);
  auto* out = static_cast<uint32_t*>(packed);
  for (size_t r = row; r < row + rows; ++r, out += stride) {
    uint32_t* planes = out + kPlanesHeader;
    uint32_t sum = 0;
    if (types.activations == Operand::kSign) {
      PackSignRow(lhs.planes, r, k, planes);
      const uint32_t* positive = planes + PlaneWords(k);
      for (size_t i = 0; i < PlaneWords(k); i += 2)
        sum += CountWord(positive + i);
      // v = 2 where +1 and 1 where 0.
      sum = 2 * sum + static_cast<uint32_t>(k) -
            static_cast<uint32_t>(lhs.planes.valid_count[r]);
    } else {
      sum =
          PackByteRow(lhs.bytes + static_cast<ptrdiff_t>(r) * lhs.bytes_stride,
                      levels, k, planes);
    }
    PackPlanesHeader(types, k, sum, out);
  }
}

}  // namespace
}  // namespace bittern::kernels
BITTERN_AVX512_END

namespace bittern::kernels {
namespace {

size_t RhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return PlanesRhsBytes(types, n, k, kNr);
}
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  PackPlanesRhs(w, activations, kNr, packed);
}

constexpr GemmKernel kKernels[] = {
    {"bitserial/popcount/avx512vpopcntdq", kAvx512 | kAvx512Vpopcntdq,
     &PlanesMaxK, kNr, kMr, kNr, 32, &RhsBytes, &PackRhs, &PlanesLhsBytes,
     &PackLhs, &Run, &PlanesPasses},
};

}  // namespace

#ifdef BITTERN_SIMDE
GemmKernelList GemmBitserialAvx512VpopcntdqSimde() { return kKernels; }
#else
GemmKernelList GemmBitserialAvx512Vpopcntdq(const CpuFeatures&) {
  return kKernels;
}
#endif

}  // namespace bittern::kernels

#endif  // x86-64 or SIMDe
