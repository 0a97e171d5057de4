// Bit planes of both operands for bit-serial kernels: with the indices u, v of
// levels.h,
//   sum u * v = sum_pq 2^(p + q) * popcount(plane p of u & plane q of v).
// Right operand, tiles of nr channels: channel_add[nr] (int32), then
// packed[p][i][j], bits k = 32 i .. 32 i + 31 of plane p of channel j (uint32);
// 0 past n and k.
// Left operand, rows of PlanesLhsRow 32-bit words: row_add, whether plane 0 has
// any bit (three-valued activations without a zero have none), then
// planes[q][i] (PlaneWords each); 0 past k.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/bits.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/levels.h"

namespace bittern::kernels {

inline constexpr unsigned kMaxPlanes = 4;
inline constexpr size_t kPlanesHeader = 2;  // words before the planes of a row

// 32-bit words of one plane of a row: whole 64-bit words.
constexpr size_t PlaneWords(size_t k) { return 2 * CeilDiv(k, 64); }

// MaxK for codes of at most kMaxPlanes bits, else 0.
size_t PlanesMaxK(GemmTypes types) noexcept;
// Pairs of planes; of three-valued activations those of a row without a zero.
size_t PlanesPasses(GemmTypes types) noexcept;

size_t PlanesRhsBytes(GemmTypes types, size_t n, size_t k, size_t nr) noexcept;
void PackPlanesRhs(const CodeMatrix& w, Operand activations, size_t nr,
                   void* packed) noexcept;

size_t PlanesLhsRow(GemmTypes types, size_t k) noexcept;
size_t PlanesLhsBytes(GemmTypes types, size_t rows, size_t k) noexcept;
void PackPlanesLhs(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
                   size_t rows, void* packed) noexcept;

// Planes of one row from code planes: v = 2 where +1, 1 where 0, 0 where -1.
void PackSignRow(const CodePlanes& p, size_t row, size_t k, uint32_t* planes);
// Writes the header of a packed row, sum = sum_k v.
void PackPlanesHeader(GemmTypes types, size_t k, uint32_t sum, uint32_t* row);

// The pairs of planes of a product in order of falling p + q: the sums double
// `doublings` times before each, and `last` times after all.
struct PlanePasses {
  struct Pass {
    uint32_t a, w;  // words from the first plane of a row, of a tile
    int doublings;
  };
  Pass pass[kMaxPlanes * kMaxPlanes];  // the first `count` are set
  size_t count = 0;
  int last = 0;
};

// What a bit-serial kernel needs to know of a call.
struct PlanesCall {
  PlanesCall(const GemmStripArgs& args, size_t nr);

  // The pairs for `rows` rows from `lhs` on.
  const PlanePasses& Passes(size_t rows) const {
    uint32_t low = 0;
    for (size_t r = 0; r < rows; ++r) low |= lhs[r * lhs_stride + 1];
    return low != 0 ? passes[0] : passes[last_passes];
  }

  PlanePasses passes[2];  // of all planes, and without plane 0 of a
  size_t last_passes;     // 1 where rows without a bit in plane 0 are usual
  size_t words;           // 32-bit words of k
  const uint32_t* rhs;    // channel_add of the tile, then its planes
  const uint32_t* lhs;    // first packed row
  size_t lhs_stride;      // words
  int32_t* strip;
  size_t strip_stride;  // int32
};

}  // namespace bittern::kernels
