// w8a8 on AVX-VNNI: vpdpbusd of unsigned activations with signed weights,
// channels in lanes, 4 k a step, a tile of 3 rows x 32 channels in registers.
//   strip[r][j] = row_add[r] + channel_add[j] + sum_i dot(a'[r][i], w'[i][j])
// Operands: pack_dot.h, exact for every byte (no saturating instruction).
// Range: sums modulo 2^32, max_k keeps the product within an int32. 12
// accumulators + 3 broadcasts fit 16 registers, weights are read from memory.
// Everything that holds the instruction lives in namespace avxvnni: the check
// for {vex} encodings (cmake/scripts/no_vex_encoding.sh) allows them there
// alone.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_dot.h"

HWY_PUSH_ATTRIBUTES("avx,avx2,avxvnni")
namespace bittern::kernels::avxvnni {
namespace {

constexpr size_t kNr = 32;
constexpr size_t kMr = 3;

struct Tile {  // 32 channels of one row's sums
  __m256i c0, c1, c2, c3;
};

struct Rows {  // of one block; strides in int32
  const int32_t* lhs;
  size_t lhs_stride;
  const int32_t* rhs;  // channel_add, then the weights
  size_t lanes;
  int32_t* strip;
  size_t strip_stride;
};

HWY_INLINE __m256i Load(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

HWY_INLINE Tile Start(const Rows& rows, size_t r) {
  const __m256i add = _mm256_set1_epi32(rows.lhs[r * rows.lhs_stride]);
  return {_mm256_add_epi32(add, Load(rows.rhs)),
          _mm256_add_epi32(add, Load(rows.rhs + 8)),
          _mm256_add_epi32(add, Load(rows.rhs + 16)),
          _mm256_add_epi32(add, Load(rows.rhs + 24))};
}

HWY_INLINE void Store(const Tile& sum, int32_t* strip) {
  auto* out = reinterpret_cast<__m256i*>(strip);
  _mm256_store_si256(out, sum.c0);
  _mm256_store_si256(out + 1, sum.c1);
  _mm256_store_si256(out + 2, sum.c2);
  _mm256_store_si256(out + 3, sum.c3);
}

// One vector of channels x kRows.
template <size_t kRows>
HWY_INLINE void Dot(__m256i w, __m256i a0, __m256i a1, __m256i a2, __m256i& s0,
                    __m256i& s1, __m256i& s2) {
  s0 = _mm256_dpbusd_avx_epi32(s0, a0, w);
  if constexpr (kRows > 1) s1 = _mm256_dpbusd_avx_epi32(s1, a1, w);
  if constexpr (kRows > 2) s2 = _mm256_dpbusd_avx_epi32(s2, a2, w);
}

// kRows named accumulator rows: g++ 12 keeps an array of them in memory.
template <size_t kRows>
void Block(const Rows& rows) {
  const size_t second = kRows > 1 ? rows.lhs_stride : 0;
  const size_t third = kRows > 2 ? 2 * rows.lhs_stride : 0;
  Tile r0 = Start(rows, 0), r1 = r0, r2 = r0;
  if constexpr (kRows > 1) r1 = Start(rows, 1);
  if constexpr (kRows > 2) r2 = Start(rows, 2);
  const int32_t* a = rows.lhs + kDotLhsHeader;
  const int32_t* end = a + rows.lanes;
  const int32_t* w = rows.rhs + kNr;
  do {  // lanes >= 1; g++ 12 copies every accumulator once a turn in a loop
        // that may run zero times
    const __m256i a0 = _mm256_set1_epi32(a[0]);
    const __m256i a1 = _mm256_set1_epi32(a[second]);
    const __m256i a2 = _mm256_set1_epi32(a[third]);
    Dot<kRows>(Load(w), a0, a1, a2, r0.c0, r1.c0, r2.c0);
    Dot<kRows>(Load(w + 8), a0, a1, a2, r0.c1, r1.c1, r2.c1);
    Dot<kRows>(Load(w + 16), a0, a1, a2, r0.c2, r1.c2, r2.c2);
    Dot<kRows>(Load(w + 24), a0, a1, a2, r0.c3, r1.c3, r2.c3);
    w += kNr;
  } while (++a != end);
  Store(r0, rows.strip);
  if constexpr (kRows > 1) Store(r1, rows.strip + rows.strip_stride);
  if constexpr (kRows > 2) Store(r2, rows.strip + 2 * rows.strip_stride);
}

void Run(const GemmStripArgs& args) noexcept {
  const size_t lanes = DotWords(DotElement::kByte, args.k);
  const size_t stride = DotLhsRow(DotElement::kByte, args.k) / sizeof(int32_t);
  Rows rows{static_cast<const int32_t*>(args.packed_lhs) +
                (args.row - args.packed_row) * stride,
            stride,
            static_cast<const int32_t*>(args.packed_rhs) +
                args.tile * (1 + lanes) * kNr,
            lanes,
            static_cast<int32_t*>(args.strip),
            static_cast<size_t>(args.strip_stride) / sizeof(int32_t)};
  size_t left = args.rows;
  for (; left >= kMr; left -= kMr) {
    Block<kMr>(rows);
    rows.lhs += kMr * stride;
    rows.strip += kMr * rows.strip_stride;
  }
  if (left == 2) return Block<2>(rows);
  if (left == 1) return Block<1>(rows);
}

// 32 codes of three-valued activations: bit i of each mask to byte i.
HWY_INLINE __m256i SpreadBits(uint32_t bits) {
  const __m256i bytes = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int32_t>(bits)),
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                         0x0303030303030303));
  const __m256i bit =
      _mm256_set1_epi64x(static_cast<int64_t>(uint64_t{0x8040201008040201}));
  return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
}

// 32 codes of a row from element i on, a multiple of 32; 0 past k.
HWY_INLINE __m256i LoadCodes(GemmTypes types, const GemmLhs& lhs, size_t row,
                             size_t i, size_t k) {
  if (types.activations == Operand::kSign) {
    const CodePlanes& p = lhs.planes;
    const size_t word = row * p.row_words + i / 64;
    const __m256i valid =
        SpreadBits(static_cast<uint32_t>(p.valid[word] >> (i % 64)));
    const __m256i sign =
        SpreadBits(static_cast<uint32_t>(p.sign[word] >> (i % 64)));
    // -1 where valid, and 2 more where positive.
    return _mm256_sub_epi8(valid, _mm256_add_epi8(sign, sign));
  }
  const uint8_t* codes =
      lhs.bytes + static_cast<ptrdiff_t>(row) * lhs.bytes_stride + i;
  if (i + 32 <= k)
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  alignas(32) uint8_t tail[32] = {};
  std::memcpy(tail, codes, k - i);
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(tail));
}

HWY_INLINE int32_t SumLanes(__m256i lanes) {
  alignas(32) uint32_t x[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(x), lanes);
  uint32_t sum = 0;
  for (uint32_t lane : x) sum += lane;
  return static_cast<int32_t>(sum);
}

void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  const __m256i ones = _mm256_set1_epi8(1);
  const uint8_t shift = DotLhsOffset(types);
  const __m256i offset = _mm256_set1_epi8(static_cast<char>(shift));
  const int32_t rhs_offset = DotRhsOffset(types);
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t r = row; r < row + rows; ++r) {
    __m256i sum = _mm256_setzero_si256();
    uint8_t* codes = out + kDotLhsHeader * sizeof(int32_t);
    for (size_t i = 0; i < k; i += 32) {
      const __m256i a =
          _mm256_xor_si256(LoadCodes(types, lhs, r, i, k), offset);
      sum = _mm256_dpbusd_avx_epi32(sum, a, ones);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i), a);
    }
    // Past k stands the offset: its weights are 0, and the sum leaves it out.
    const size_t past = RoundUp(k, 32) - k;
    const int32_t add =
        rhs_offset * (SumLanes(sum) - static_cast<int32_t>(past * shift));
    std::memcpy(out, &add, sizeof(add));
    out += DotLhsRow(DotElement::kByte, k);
  }
}

}  // namespace
}  // namespace bittern::kernels::avxvnni
HWY_POP_ATTRIBUTES

namespace bittern::kernels {
namespace {

size_t TypesMaxK(GemmTypes types) noexcept {
  return DotMaxK(DotElement::kByte, types);
}
size_t LhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * DotLhsRow(DotElement::kByte, k);
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return DotRhsBytes(DotElement::kByte, n, k, avxvnni::kNr);
}
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  PackDotRhs(DotElement::kByte, w, activations, avxvnni::kNr, packed);
}

constexpr GemmKernel kKernels[] = {
    {"w8a8/vnni/avxvnni", kAvx2 | kAvxVnni, &TypesMaxK, avxvnni::kNr,
     avxvnni::kMr, avxvnni::kNr, 4, &RhsBytes, &PackRhs, &LhsBytes,
     &avxvnni::PackLhs, &avxvnni::Run},
};

}  // namespace

GemmKernelList GemmW8A8AvxVnni(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // x86-64
