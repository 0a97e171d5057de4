// 1- and 2-bit weights x 1- to 4-bit activations on NEON by table look-up:
// operands and range of lut_codes.h, tiles of 64 channels, 2 rows x 64 channels
// in registers. The activations of a group of k select a row of 16 bytes, the
// weights of 16 channels the bytes in it: tbl and add for 16 channels x 4 or 2
// k, where bit planes take and, cnt, add of 128 products for every pair of
// planes. Byte p of a group is channel p of its tile.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/gemm/gemm_kernels.h"
#include "kernels/gemm/lut_codes.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 64;
constexpr size_t kMr = 2;

struct Tile {  // 64 channels: weights of one group, or one row's byte sums
  uint8x16_t c0, c1, c2, c3;
};

struct Wide {  // 16-bit sums modulo 2^16 of one row, in the order of channels
  uint16x8_t c0, c1, c2, c3, c4, c5, c6, c7;
};

struct Rows {  // of one block
  const uint8_t* table;
  const uint16_t* states;
  size_t stride;  // uint16
  const LutLayout* layout;
  size_t k;
  const uint8_t* tile;
  int32_t* strip;
  size_t strip_stride;
};

HWY_INLINE Tile LoadTile(const uint8_t* w) {
  return {vld1q_u8(w), vld1q_u8(w + 16), vld1q_u8(w + 32), vld1q_u8(w + 48)};
}

HWY_INLINE void Step(const Tile& w, const uint8_t* table_row, Tile& sum) {
  const uint8x16_t row = vld1q_u8(table_row);
  sum.c0 = vaddq_u8(sum.c0, vqtbl1q_u8(row, w.c0));
  sum.c1 = vaddq_u8(sum.c1, vqtbl1q_u8(row, w.c1));
  sum.c2 = vaddq_u8(sum.c2, vqtbl1q_u8(row, w.c2));
  sum.c3 = vaddq_u8(sum.c3, vqtbl1q_u8(row, w.c3));
}

HWY_INLINE void Widen(const Tile& bytes, Wide& wide) {
  wide.c0 = vaddw_u8(wide.c0, vget_low_u8(bytes.c0));
  wide.c1 = vaddw_high_u8(wide.c1, bytes.c0);
  wide.c2 = vaddw_u8(wide.c2, vget_low_u8(bytes.c1));
  wide.c3 = vaddw_high_u8(wide.c3, bytes.c1);
  wide.c4 = vaddw_u8(wide.c4, vget_low_u8(bytes.c2));
  wide.c5 = vaddw_high_u8(wide.c5, bytes.c2);
  wide.c6 = vaddw_u8(wide.c6, vget_low_u8(bytes.c3));
  wide.c7 = vaddw_high_u8(wide.c7, bytes.c3);
}

HWY_INLINE void NextDigit(Wide& sums) {
  sums.c0 = vshlq_n_u16(sums.c0, 2);
  sums.c1 = vshlq_n_u16(sums.c1, 2);
  sums.c2 = vshlq_n_u16(sums.c2, 2);
  sums.c3 = vshlq_n_u16(sums.c3, 2);
  sums.c4 = vshlq_n_u16(sums.c4, 2);
  sums.c5 = vshlq_n_u16(sums.c5, 2);
  sums.c6 = vshlq_n_u16(sums.c6, 2);
  sums.c7 = vshlq_n_u16(sums.c7, 2);
}

struct Affine {  // what turns sums of 8 channels into products
  const uint16_t* channel_terms;
  uint16x8_t row_term;
  int16x8_t shift;

  HWY_INLINE void Store(uint16x8_t sums, size_t j, int32_t* strip) const {
    const uint16x8_t terms = vaddq_u16(vld1q_u16(channel_terms + j), row_term);
    const int16x8_t dot =
        vreinterpretq_s16_u16(vaddq_u16(vshlq_u16(sums, shift), terms));
    vst1q_s32(strip + j, vmovl_s16(vget_low_s16(dot)));
    vst1q_s32(strip + j + 4, vmovl_high_s16(dot));
  }
};

HWY_INLINE void StoreRow(const Wide& sums, const Rows& rows, size_t r) {
  const uint16_t row_term = *(rows.states + r * rows.stride - kLutTerms);
  const Affine affine{reinterpret_cast<const uint16_t*>(rows.tile),
                      vdupq_n_u16(row_term),
                      vdupq_n_s16(static_cast<int16_t>(rows.layout->Shift()))};
  int32_t* strip = rows.strip + r * rows.strip_stride;
  affine.Store(sums.c0, 0, strip);
  affine.Store(sums.c1, 8, strip);
  affine.Store(sums.c2, 16, strip);
  affine.Store(sums.c3, 24, strip);
  affine.Store(sums.c4, 32, strip);
  affine.Store(sums.c5, 40, strip);
  affine.Store(sums.c6, 48, strip);
  affine.Store(sums.c7, 56, strip);
}

template <bool kTwo>
void Block(const Rows& rows) {
  const uint8x16_t none = vdupq_n_u8(0);
  const uint16x8_t zero = vdupq_n_u16(0);
  const LutLayout& layout = *rows.layout;
  const size_t groups = CeilDiv(rows.k, layout.unit);
  const uint8_t* weights = rows.tile + kNr * sizeof(int16_t);
  const uint8_t *table = rows.table, *last = weights + groups * kNr;
  Wide wide0{zero, zero, zero, zero, zero, zero, zero, zero}, wide1 = wide0;
  size_t digit = 0;
  for (;;) {
    const uint16_t* a = rows.states + digit * layout.States(rows.k);
    const uint16_t* b = a + rows.stride;
    const uint8_t* w = weights;
    do {  // groups >= 1
      const size_t step = layout.chunk * kNr;
      const uint8_t* end =
          static_cast<size_t>(last - w) < step ? last : w + step;
      Tile sum0{none, none, none, none}, sum1 = sum0;
      do {
        const Tile tile = LoadTile(w);
        Step(tile, table + *a++, sum0);
        if constexpr (kTwo) Step(tile, table + *b++, sum1);
        w += kNr;
      } while (w != end);
      Widen(sum0, wide0);
      if constexpr (kTwo) Widen(sum1, wide1);
    } while (w != last);
    if (++digit == layout.digits) break;
    NextDigit(wide0);
    if constexpr (kTwo) NextDigit(wide1);
  }
  StoreRow(wide0, rows, 0);
  if constexpr (kTwo) StoreRow(wide1, rows, 1);
}

void Run(const GemmStripArgs& args) noexcept {
  const LutLayout layout = LutLayoutOf(args.types);
  const size_t stride = layout.LhsRow(args.k);
  const size_t strip_stride =
      static_cast<size_t>(args.strip_stride) / sizeof(int32_t);
  Rows rows{LutTable(layout.unit),
            static_cast<const uint16_t*>(args.packed_lhs) +
                (args.row - args.packed_row) * stride + kLutTerms,
            stride,
            &layout,
            args.k,
            static_cast<const uint8_t*>(args.packed_rhs) +
                args.tile * layout.TileBytes(args.k, kNr),
            static_cast<int32_t*>(args.strip),
            strip_stride};
  for (size_t r = 0; r < args.rows; r += kMr) {
    r + 1 < args.rows ? Block<true>(rows) : Block<false>(rows);
    rows.states += kMr * stride;
    rows.strip += kMr * strip_stride;
  }
}

// 16 digits -> table offsets: 16 * sum over a group of digit * 4^t.
HWY_INLINE uint16_t* PutStates(size_t unit, uint8x16_t digits, uint16_t* out) {
  const uint16x8_t d = vreinterpretq_u16_u8(digits);
  const uint16x8_t even = vshlq_n_u16(vandq_u16(d, vdupq_n_u16(3)), 4);
  const uint16x8_t pairs = vsraq_n_u16(even, vandq_u16(d, vdupq_n_u16(768)), 2);
  if (unit == 2) {
    vst1q_u16(out, pairs);
    return out + 8;
  }
  const uint32x4_t p = vreinterpretq_u32_u16(pairs);
  const uint32x4_t fours = vaddq_u32(vshlq_n_u32(vshrq_n_u32(p, 16), 4), p);
  vst1_u16(out, vmovn_u32(fours));
  return out + 4;
}

void PackRow(const LutLayout& layout, const uint8_t* codes, size_t k,
             uint16_t* row) {
  const uint8x16_t lo = vdupq_n_u8(static_cast<uint8_t>(layout.a.lo));
  const uint8x16_t digit = vdupq_n_u8(3);
  const int8x16_t halve = vdupq_n_s8(layout.a.step == 2 ? -1 : 0);
  uint16_t* high = row + kLutTerms;
  uint16_t* low = high + (layout.digits - 1) * layout.States(k);
  uint32x4_t sum = vdupq_n_u32(0);
  for (size_t i = 0; i < k; i += 16) {
    uint8_t tail[16];
    std::memset(tail, layout.a.lo, sizeof(tail));  // index 0 past k
    if (k - i < 16) std::memcpy(tail, codes + i, k - i);
    const uint8x16_t code = vld1q_u8(k - i < 16 ? tail : codes + i);
    const uint8x16_t index = vshlq_u8(vsubq_u8(code, lo), halve);
    sum = vpadalq_u16(sum, vpaddlq_u8(index));
    low = PutStates(layout.unit, vandq_u8(index, digit), low);
    if (layout.digits == 2)
      high = PutStates(layout.unit, vshrq_n_u8(index, 2), high);
  }
  *row = layout.RowTerm(k, vaddvq_u32(sum));
}

void PackLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
             size_t rows, void* packed) noexcept {
  const LutLayout layout = LutLayoutOf(types);
  auto* out = static_cast<uint16_t*>(packed);
  for (size_t r = row; r < row + rows; ++r, out += layout.LhsRow(k)) {
    PackRow(layout, lhs.bytes + static_cast<ptrdiff_t>(r) * lhs.bytes_stride, k,
            out);
  }
}

template <size_t kUnit>
size_t TypesMaxK(GemmTypes types) noexcept {
  return LutMaxK(types, kUnit, false);
}
size_t RhsBytes(GemmTypes types, size_t n, size_t k) noexcept {
  return CeilDiv(n, kNr) * LutLayoutOf(types).TileBytes(k, kNr);
}
void PackRhs(const CodeMatrix& w, Operand activations, void* packed) noexcept {
  PackLutRhs(
      w, activations, kNr, [](size_t p) { return p; }, packed);
}

constexpr GemmKernel kKernels[] = {
    {"w1a2/tbl/neon", kNeon, &TypesMaxK<4>, kNr, kMr, kNr, 4, &RhsBytes,
     &PackRhs, &LutLhsBytes, &PackLhs, &Run, &LutPasses},
    {"w2a2/tbl/neon", kNeon, &TypesMaxK<2>, kNr, kMr, kNr, 2, &RhsBytes,
     &PackRhs, &LutLhsBytes, &PackLhs, &Run, &LutPasses},
};

}  // namespace

GemmKernelList GemmW2A2NeonTbl(const CpuFeatures&) { return kKernels; }

}  // namespace bittern::kernels

#endif  // AArch64
