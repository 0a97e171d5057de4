// Right operand of weights in groups (gemm_wxf32.cc): a header of one row,
// then for each tile of nr channels and each group of it
//   scale[j], a row of nr floats; with zero points a row of them;
//   words[c][j], 32-bit words of fields, each the index of one value of the
//   type (value = lo + index): the fields of the group's k from F c on, F = 32
//   / bits a field, lowest first; 0 past n and the end of the group.
// A field under the exponent of 2^23 is the float 2^23 + index; the base 2^23 -
// lo + zero taken from it leaves code - zero, exactly: all of these are
// integers below 2^24. So small integers as zero points are kept as such bases,
// and without zero points the header holds the base. Others are taken from the
// code, made with the header's base, in a second step, which rounds once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

// How the zero points are kept: the first element of the second header row.
enum class GroupZeros : uint32_t { kNone, kBases, kFractions };

struct GroupLayout {
  size_t nr;      // channels of a tile
  unsigned bits;  // of a field: 1, 2, 4 or 8
  size_t lists;   // rows before the words: scales, zero points
  size_t group;

  GroupLayout(GemmTypes types, size_t channels) noexcept;

  size_t HeaderSize() const {
    return 2 * nr;
  }  // 32-bit elements, as the others
  size_t WordRows(size_t k) const { return (k * bits + 31) / 32; }
  size_t GroupSize(size_t k) const { return (lists + WordRows(k)) * nr; }
  size_t TileSize(size_t k) const {
    const size_t rest = k % group;
    return k / group * GroupSize(group) + (rest != 0 ? GroupSize(rest) : 0);
  }
  size_t Bytes(size_t n, size_t k) const {
    return (HeaderSize() + (n + nr - 1) / nr * TileSize(k)) * sizeof(uint32_t);
  }
};

void PackGroupWords(const GroupLayout& layout, const CodeMatrix& weights,
                    const WeightGroups& groups, void* packed) noexcept;

}  // namespace bittern::kernels
