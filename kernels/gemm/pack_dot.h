// Operands of the byte and word dot-product instructions (vpdpbusd, vpdpwssd):
// channels in lanes, the k of one 32-bit lane at a time.
//   c = sum_k a * w = sum_k a' * w' + row_add + channel_add
// Bytes: a' = a + 128 for signed activations (unsigned side), w' = w - 128 for
// kU8 weights (signed side); channel_add = -128 * sum_k w, row_add = 128 *
// sum_k a'. Words: both sides as they are. All sums are modulo 2^32, so they
// are exact whenever the product itself fits. Right operand, tiles of nr
// channels: channel_add[nr] (int32), then packed[i][j], the w' of k = 4 i .. 4
// i + 3 (words: 2 i, 2 i + 1) of channel j; 0 past n and k. Left operand: rows
// of DotLhsRow bytes: row_add (int32, 64 bytes), then a'; past k any value,
// which row_add does not count.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/bits.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

enum class DotElement : uint8_t { kByte, kWord };

// k per 32-bit lane.
constexpr size_t DotUnit(DotElement element) {
  return element == DotElement::kByte ? 4 : 2;
}

// 32-bit lanes of k.
constexpr size_t DotWords(DotElement element, size_t k) {
  return CeilDiv(k, DotUnit(element));
}

inline constexpr size_t kDotLhsHeader = 16;  // 32-bit lanes before a'

constexpr size_t DotLhsRow(DotElement element, size_t k) {
  return kDotLhsHeader * 4 + RoundUp(k * 4 / DotUnit(element), 64);
}

// MaxK where the element holds both operands, else 0. Words take kS16 weights
// only.
size_t DotMaxK(DotElement element, GemmTypes types) noexcept;

// Added to activations and subtracted from weights of these types.
uint8_t DotLhsOffset(GemmTypes types) noexcept;
int32_t DotRhsOffset(GemmTypes types) noexcept;

// The right operand of any two offsets: a' = a + lhs, w' = w - rhs.
struct DotOffsets {
  int32_t lhs, rhs;
};
void PackDotTiles(DotElement element, const CodeMatrix& w, DotOffsets offsets,
                  size_t nr, void* packed) noexcept;

size_t DotRhsBytes(DotElement element, size_t n, size_t k, size_t nr) noexcept;
void PackDotRhs(DotElement element, const CodeMatrix& w, Operand activations,
                size_t nr, void* packed) noexcept;

}  // namespace bittern::kernels
