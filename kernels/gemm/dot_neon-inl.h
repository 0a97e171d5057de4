// Operands of the NEON products of bytes and words (gemm_w8a8_neon.cc,
// gemm_w8a8_neondot.cc): pack_dot.h with both sides signed, a' = a - 128 for
// kU8 activations, w' = w - 128 for kU8 weights, tiles of 16 channels; in front
// of the right operand 64 bytes whose first int32 is max |w'|.
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "hwy/base.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/pack_bits.h"
#include "kernels/gemm/pack_dot.h"

namespace bittern::kernels {
namespace {

constexpr size_t kDotNr = 16;
constexpr size_t kDotHeader = 64;  // bytes

inline DotOffsets NeonOffsets(GemmTypes types) {
  return {types.activations == Operand::kU8 ? -128 : 0,
          types.weights == Operand::kU8 ? 128 : 0};
}

// Sixteen codes of a sign plane pair, -1, 0 or 1, from element i on, a multiple
// of 16.
HWY_INLINE int8x16_t LoadSigns(const CodePlanes& p, size_t row, size_t i) {
  const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
  const auto spread = [i](const uint64_t* plane) {
    const uint32_t word = PlaneWord(plane, i / 32) >> (i % 32);
    return vcombine_u8(vdup_n_u8(static_cast<uint8_t>(word)),
                       vdup_n_u8(static_cast<uint8_t>(word >> 8)));
  };
  const uint8x16_t plus = vtstq_u8(spread(p.sign + row * p.row_words), bit);
  const uint8x16_t valid = vtstq_u8(spread(p.valid + row * p.row_words), bit);
  return vreinterpretq_s8_u8(vsubq_u8(valid, vaddq_u8(plus, plus)));
}

// a' of codes i .. i + 15; 0 past k.
HWY_INLINE int8x16_t LoadCodes(GemmTypes types, const GemmLhs& lhs, size_t row,
                               size_t i, size_t k) {
  const auto offset = static_cast<uint8_t>(NeonOffsets(types).lhs);
  if (types.activations == Operand::kSign)  // padding bits are 0
    return LoadSigns(lhs.planes, row, i);
  const uint8_t* codes =
      lhs.bytes + static_cast<ptrdiff_t>(row) * lhs.bytes_stride + i;
  if (i + 16 <= k) {
    return vreinterpretq_s8_u8(vaddq_u8(vld1q_u8(codes), vdupq_n_u8(offset)));
  }
  uint8_t tail[16] = {};
  for (size_t j = 0; j < k - i; ++j)
    tail[j] = static_cast<uint8_t>(codes[j] + offset);
  return vreinterpretq_s8_u8(vld1q_u8(tail));
}

HWY_INLINE void PutCodes(int8x16_t a, size_t i, DotElement element,
                         uint8_t* codes) {
  if (element == DotElement::kByte) {
    vst1q_s8(reinterpret_cast<int8_t*>(codes) + i, a);
  } else {
    auto* words = reinterpret_cast<int16_t*>(codes) + i;
    vst1q_s16(words, vmovl_s8(vget_low_s8(a)));
    vst1q_s16(words + 8, vmovl_high_s8(a));
  }
}

template <DotElement kElement>
void PackNeonLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
                 size_t rows, void* packed) noexcept {
  auto* out = static_cast<uint8_t*>(packed);
  for (size_t r = row; r < row + rows; ++r) {
    int32x4_t sums = vdupq_n_s32(0);
    for (size_t i = 0; i < k; i += 16) {
      const int8x16_t a = LoadCodes(types, lhs, r, i, k);
      sums = vpadalq_s16(sums, vpaddlq_s8(a));
      PutCodes(a, i, kElement, out + kDotHeader);
    }
    const int32_t add = NeonOffsets(types).rhs * vaddvq_s32(sums);
    std::memcpy(out, &add, sizeof(add));
    out += DotLhsRow(kElement, k);
  }
}

template <DotElement kElement>
size_t NeonMaxK(GemmTypes types) noexcept {
  return DotMaxK(kElement, types);
}
template <DotElement kElement>
size_t NeonLhsBytes(GemmTypes, size_t rows, size_t k) noexcept {
  return rows * DotLhsRow(kElement, k);
}
template <DotElement kElement>
size_t NeonRhsBytes(GemmTypes, size_t n, size_t k) noexcept {
  return kDotHeader + DotRhsBytes(kElement, n, k, kDotNr);
}

template <DotElement kElement>
void PackNeonRhs(const CodeMatrix& w, Operand activations,
                 void* packed) noexcept {
  const DotOffsets offsets = NeonOffsets({w.type, activations});
  int32_t largest = 0;
  for (size_t n = 0; n < w.n; ++n) {
    for (size_t k = 0; k < w.k; ++k) {
      const int32_t value = ValueAt(w, n, k) - offsets.rhs;
      const int32_t size = value < 0 ? -value : value;
      largest = size > largest ? size : largest;
    }
  }
  std::memset(packed, 0, kDotHeader);
  std::memcpy(packed, &largest, sizeof(largest));
  PackDotTiles(kElement, w, offsets, kDotNr,
               static_cast<uint8_t*>(packed) + kDotHeader);
}

struct DotBlock {  // left rows and strip rows of one block
  const int8_t* lhs;
  size_t lhs_stride;  // bytes
  const int32_t* channel_add;
  const int8_t* w;
  size_t words;  // 32-bit lanes of k
  int32_t* strip;
  size_t strip_stride;  // elements

  int32_t RowAdd(size_t r) const {
    int32_t add;
    std::memcpy(&add, lhs + r * lhs_stride - kDotHeader, sizeof(add));
    return add;
  }
};

template <DotElement kElement>
DotBlock FirstBlock(const GemmStripArgs& args) {
  const size_t words = DotWords(kElement, args.k);
  const size_t stride = DotLhsRow(kElement, args.k);
  const auto* tile = static_cast<const uint8_t*>(args.packed_rhs) + kDotHeader +
                     args.tile * (1 + words) * kDotNr * sizeof(int32_t);
  return {static_cast<const int8_t*>(args.packed_lhs) +
              (args.row - args.packed_row) * stride + kDotHeader,
          stride,
          reinterpret_cast<const int32_t*>(tile),
          reinterpret_cast<const int8_t*>(tile + kDotNr * sizeof(int32_t)),
          words,
          static_cast<int32_t*>(args.strip),
          static_cast<size_t>(args.strip_stride) / sizeof(int32_t)};
}

HWY_INLINE void NextRows(DotBlock& block, size_t rows) {
  block.lhs += rows * block.lhs_stride;
  block.strip += rows * block.strip_stride;
}

}  // namespace
}  // namespace bittern::kernels
