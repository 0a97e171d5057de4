// Operands of the look-up kernels of 1- and 2-bit weights x 1- to 4-bit
// activations, whatever the instruction set. With v the index of an activation
// and u that of a weight (levels.h),
//   dot = sa * sw * sum u * v + w0 * sum a + sw * a0 * sum u,
// a table entry being the sum of u * v over the k of a group, the second term
// the row's and the third the channel's; one table serves every encoding. 1-bit
// weights: 4 k a group, 256 table rows; 2-bit weights: 2 k a group, 16 table
// rows. Activations of 3 and 4 bits take two passes, one a base-4 digit of v.
// Left operand, uint16: rows of [row term][states of the high digit, if
// any][states of the low digit], a state being the byte offset of a table row.
// Right operand: tiles of [channel terms, int16][nibbles of 4 or 2 u, a byte
// each]; 0 past n and k, where v is 0 too. Range: a group adds at most 12
// (1-bit weights) or 18 to a byte, which holds `chunk` groups; all terms are
// modulo 2^16 and |dot| <= 32767.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/bits.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/levels.h"

namespace bittern::kernels {

inline constexpr size_t kLutTerms = 16;  // uint16 before the states of a row

struct LutLayout {  // of one pair of types
  Levels w, a;
  size_t unit;    // k a group
  size_t digits;  // of base 4 of an activation's index
  size_t chunk;   // groups between widenings

  size_t States(size_t k) const { return RoundUp(k, 32) / unit; }  // a digit
  size_t LhsRow(size_t k) const { return kLutTerms + digits * States(k); }
  size_t TileBytes(size_t k, size_t nr) const {
    return nr * (sizeof(int16_t) + CeilDiv(k, unit));
  }
  // Of a row whose indices sum up to `sum`.
  uint16_t RowTerm(size_t k, uint32_t sum) const {
    const uint32_t total =
        static_cast<uint32_t>(a.lo) * static_cast<uint32_t>(k) +
        static_cast<uint32_t>(a.step) * sum;
    return static_cast<uint16_t>(static_cast<uint32_t>(w.lo) * total);
  }
  int Shift() const { return w.step * a.step / 2; }  // log2(sa * sw)
};

LutLayout LutLayoutOf(GemmTypes types) noexcept;

// The rows of 16 bytes; aligned to 64.
const uint8_t* LutTable(size_t unit) noexcept;

// MaxK of 16 bits where weights have 2 levels (unit 4) or 3 and 4 (unit 2) and
// activations are sign planes, or else byte codes of at most 16 (unit 4) or 4
// levels.
size_t LutMaxK(GemmTypes types, size_t unit, bool planes) noexcept;

// The descriptor's functions; `channel` says which one of a tile byte p of a
// group belongs to.
size_t LutLhsBytes(GemmTypes types, size_t rows, size_t k) noexcept;
size_t LutPasses(GemmTypes types) noexcept;
void PackLutRhs(const CodeMatrix& w, Operand activations, size_t nr,
                size_t (*channel)(size_t p), void* packed) noexcept;

}  // namespace bittern::kernels
