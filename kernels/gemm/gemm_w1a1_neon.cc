// w1a1 on NEON: eor, cnt, add on bytes, a tile of 4 rows x 16 channels in
// registers.
//   strip[r][j] = valid_count[r] - 2 * popcount((a[r] ^ w[j]) & valid[r])
//   (valid_count == k: no zeros, the mask drops out)
// Against the Highway form: twice the rows per weight load (32 registers hold
// them), and uaddlp + uadalp to widen; g++ 12 turns the Highway loop into one
// with eight register copies a step (README.md). Right operand: pack_bits.h
// with 16 channels side by side; a tile of 64 channels is four such panels,
// walked in turn. Range: a byte counts at most 31 * 8 = 248 between widenings,
// a 32-bit lane at most k mismatches, k <= 2^30.
#if defined(__aarch64__)

#include <arm_neon.h>

#include "hwy/base.h"
#include "kernels/base/bits.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/pack_bits.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 64;
constexpr size_t kPanel = 16;
constexpr size_t kMr = 4;
constexpr size_t kChunk = 31;

struct Tile {  // 16 channels x 4 bytes of k: of the weights, or of one row's
               // counts
  uint8x16_t c0, c1, c2, c3;
};

struct Sums {  // 16 channels
  uint32x4_t c0, c1, c2, c3;
};

struct Rows {  // the left rows and strip rows of one block; strides in elements
  const uint64_t* sign;
  const uint64_t* valid;
  size_t stride;
  const int32_t* valid_count;
  int32_t* strip;
  size_t strip_stride;
};

HWY_INLINE Tile NoCounts() {
  const uint8x16_t zero = vdupq_n_u8(0);
  return {zero, zero, zero, zero};
}

HWY_INLINE Tile LoadWeights(const uint8_t* w) {
  return {vld1q_u8(w), vld1q_u8(w + 16), vld1q_u8(w + 32), vld1q_u8(w + 48)};
}

HWY_INLINE uint8x16_t Broadcast(const uint64_t* row, size_t i) {
  return vreinterpretq_u8_u32(vdupq_n_u32(PlaneWord(row, i)));
}

template <bool kMasked>
HWY_INLINE uint8x16_t Count(uint8x16_t count, uint8x16_t w, uint8x16_t a,
                            uint8x16_t valid) {
  const uint8x16_t x = veorq_u8(w, a);
  return vaddq_u8(count, vcntq_u8(kMasked ? vandq_u8(x, valid) : x));
}

template <bool kMasked>
HWY_INLINE void Step(const Tile& w, const Rows& rows, size_t r, size_t i,
                     Tile& counts) {
  const uint8x16_t a = Broadcast(rows.sign + r * rows.stride, i);
  const uint8x16_t v = kMasked ? Broadcast(rows.valid + r * rows.stride, i) : a;
  counts.c0 = Count<kMasked>(counts.c0, w.c0, a, v);
  counts.c1 = Count<kMasked>(counts.c1, w.c1, a, v);
  counts.c2 = Count<kMasked>(counts.c2, w.c2, a, v);
  counts.c3 = Count<kMasked>(counts.c3, w.c3, a, v);
}

HWY_INLINE void Widen(const Tile& counts, Sums& sums) {
  sums.c0 = vpadalq_u16(sums.c0, vpaddlq_u8(counts.c0));
  sums.c1 = vpadalq_u16(sums.c1, vpaddlq_u8(counts.c1));
  sums.c2 = vpadalq_u16(sums.c2, vpaddlq_u8(counts.c2));
  sums.c3 = vpadalq_u16(sums.c3, vpaddlq_u8(counts.c3));
}

HWY_INLINE int32x4_t Dot(uint32x4_t mismatches, int32x4_t valid_count) {
  return vmlsq_n_s32(valid_count, vreinterpretq_s32_u32(mismatches), 2);
}

HWY_INLINE void StoreRow(const Sums& sums, const Rows& rows, size_t r) {
  const int32x4_t valid_count = vdupq_n_s32(rows.valid_count[r]);
  int32_t* strip = rows.strip + r * rows.strip_stride;
  vst1q_s32(strip, Dot(sums.c0, valid_count));
  vst1q_s32(strip + 4, Dot(sums.c1, valid_count));
  vst1q_s32(strip + 8, Dot(sums.c2, valid_count));
  vst1q_s32(strip + 12, Dot(sums.c3, valid_count));
}

template <bool kMasked, size_t kRows>
void Block(const Rows& rows, const uint8_t* w, size_t words) {
  const uint32x4_t zero = vdupq_n_u32(0);
  Sums s0{zero, zero, zero, zero}, s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  do {  // words >= 1
    const size_t end = words - i < kChunk ? words : i + kChunk;
    Tile c0 = NoCounts(), c1 = c0, c2 = c0, c3 = c0;
    do {
      const Tile weights = LoadWeights(w);
      Step<kMasked>(weights, rows, 0, i, c0);
      if constexpr (kRows > 1) Step<kMasked>(weights, rows, 1, i, c1);
      if constexpr (kRows > 2) Step<kMasked>(weights, rows, 2, i, c2);
      if constexpr (kRows > 3) Step<kMasked>(weights, rows, 3, i, c3);
      w += 4 * kPanel;
    } while (++i < end);
    Widen(c0, s0);
    if constexpr (kRows > 1) Widen(c1, s1);
    if constexpr (kRows > 2) Widen(c2, s2);
    if constexpr (kRows > 3) Widen(c3, s3);
  } while (i < words);
  StoreRow(s0, rows, 0);
  if constexpr (kRows > 1) StoreRow(s1, rows, 1);
  if constexpr (kRows > 2) StoreRow(s2, rows, 2);
  if constexpr (kRows > 3) StoreRow(s3, rows, 3);
}

// One block of rows x the panels of a tile that have channels.
template <size_t kRows>
void BlockOf(const GemmStripArgs& args, size_t r) {
  const CodePlanes& p = args.lhs->planes;
  const size_t words = CeilDiv(args.k, 32), row = args.row + r,
               first = args.tile * kNr;
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  Rows rows{p.sign + row * p.row_words,
            p.valid + row * p.row_words,
            p.row_words,
            p.valid_count + row,
            static_cast<int32_t*>(args.strip) + r * strip_stride,
            strip_stride};
  bool masked = false;
  for (size_t i = 0; i < kRows; ++i)
    masked |= rows.valid_count[i] != static_cast<int32_t>(args.k);
  const auto* w = static_cast<const uint8_t*>(args.packed_rhs) +
                  first * words * sizeof(uint32_t);
  for (size_t j = 0; j < kNr && first + j < args.n;
       j += kPanel, rows.strip += kPanel) {
    masked ? Block<true, kRows>(rows, w + j * words * sizeof(uint32_t), words)
           : Block<false, kRows>(rows, w + j * words * sizeof(uint32_t), words);
  }
}

void Run(const GemmStripArgs& args) noexcept {
  size_t r = 0;
  for (; r + kMr <= args.rows; r += kMr) BlockOf<kMr>(args, r);
  switch (args.rows - r) {
    case 3:
      return BlockOf<3>(args, r);
    case 2:
      return BlockOf<2>(args, r);
    case 1:
      return BlockOf<1>(args, r);
    default:
      return;
  }
}

size_t TypesMaxK(GemmTypes types) noexcept {
  const bool mine = types == GemmTypes{Operand::kBipolar, Operand::kSign};
  return mine ? size_t{1} << 30 : 0;
}
size_t RhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return PackedBitsBytes(n, k, kPanel);
}
void PackRhs(const CodeMatrix& w, Operand, void* packed) noexcept {
  PackBits(w.data, w.n, w.k, kPanel, packed);
}

constexpr GemmKernel kKernels[] = {
    {"w1a1/cnt/neon", kNeon, &TypesMaxK, kNr, kMr, kPanel, 32, &RhsBytes,
     &PackRhs, nullptr, nullptr, &Run},
};

}  // namespace

GemmKernelList GemmW1A1Neon(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // AArch64
