// How k and v of one head lie in memory for the fast attention kernels. Private
// to this folder and its tests. Both attention products are the same operation
// on bits, left rows times a matrix whose rows stand in lanes:
//   out[r][lane] = base[lane] + row_base[r] + popcount(both valid) - 2
//   popcount((a[r] ^ b[lane]) & both valid)
// so the zero points enter through row and lane constants only. Scores: b = k,
// lanes = keys, bits = head columns; output: b = v, lanes = head columns, bits
// = keys.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"
#include "kernels/base/bits.h"

namespace bittern::kernels {

inline constexpr size_t kLaneBlock = 16;

// [blocks][words][16] u32: bit b of word w in lane l of a block is bit 32w + b
// of matrix row 16 * block + l; padding is 0.
struct LaneMatrix {
  uint32_t* sign;
  uint32_t* valid;
  int32_t* base;  // [blocks][16] what the zero points add to every product with
                  // this lane
  int32_t* full;  // [blocks][16] base + popcount(valid of the lane): for left
                  // rows without zeros
  size_t blocks;
  size_t words;
  bool
      dense;  // no code is zero, so `valid` need not be read; known once packed
  size_t lanes() const { return blocks * kLaneBlock; }
  size_t plane() const { return words * lanes(); }
};

// A prepared head.
struct AttentionBlock {
  LaneMatrix k;    // base[j] = -zq * sum(k_j) + head_dim * zq * zk
  LaneMatrix v;    // base[d] = -zp * sum(v_d) + keys * zp * zv
  int32_t* zeros;  // two integers: how many codes of k and of v are zero
};

size_t AttentionBlockBytes(size_t keys, size_t head_dim) noexcept;
AttentionBlock ViewAttentionBlock(void* data, size_t keys,
                                  size_t head_dim) noexcept;

}  // namespace bittern::kernels
