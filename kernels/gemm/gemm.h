// GEMM kernels as data: c[m][n] = sum_k a[m][k] * w[n][k], one strip of rows x
// one tile of output channels per call. A kernel only fills a strip of int32
// (or float) accumulators that stays in L1; an epilogue (kernels/epilogue)
// turns the strip into floats or codes. Kernels are listed in gemm_kernels.inc;
// a line there declares, selects, tests and benches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/code_matrix.h"
#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

// What the two operands hold. A kernel may serve several pairs.
struct GemmTypes {
  Operand weights = Operand::kF32;
  Operand activations = Operand::kF32;
  // Weights in groups: that many successive k of a channel share a scale, and a
  // zero point if `zeros`. 0: the codes are the values. For kF32 activations.
  size_t group = 0;
  bool zeros = false;
  // Weights kBipolar x kF32: sums of three products instead of one chain of all
  // (kernels/README.md).
  bool threes = false;
  friend bool operator==(const GemmTypes&, const GemmTypes&) = default;
};

struct GemmQuery {
  GemmTypes types{};
  size_t m = 0, n = 0, k = 0;
};

// What turns codes of groups into weights: w[n][k] = fl(fl(code - zero[n][g]) *
// scale[n][g]) with g = k / group; the last group may be short. Lists are
// row-major, ceil(k / group) groups a channel.
struct WeightGroups {
  const float* scale = nullptr;
  const float* zero = nullptr;  // with GemmTypes::zeros, else null
};

// The left operand as the caller holds it; which member counts follows from the
// activations' type: fp32 rows (stride in bytes), code planes with one group,
// or byte codes.
struct GemmLhs {
  const float* f32 = nullptr;
  ptrdiff_t f32_stride = 0;
  // Of kernels that read offsets: element i of an fp32 row lies f32_offsets[i]
  // elements behind its first; null: i.
  const uint32_t* f32_offsets = nullptr;
  CodePlanes planes{};
  const uint8_t* bytes = nullptr;
  ptrdiff_t bytes_stride = 0;
};

// One call of a kernel: strip[r][j] = sum_k a[row + r][k] * w[tile * nr +
// j][k], r < rows, j < nr. Strip elements are float for kF32 activations and
// int32_t for codes: the exact integer sum of the codes' values. Channels past
// n of the last tile are padding: any value.
struct GemmStripArgs {
  GemmTypes types;
  const GemmLhs* lhs;
  const void* packed_lhs;  // what pack_lhs wrote for rows [packed_row, ...), or
                           // null if the kernel has no pack_lhs
  size_t packed_row;       // matrix row of the first packed row
  const void* packed_rhs;  // whole matrix, as pack_rhs wrote it
  size_t k;                // >= 1
  size_t n;
  size_t row,
      rows;     // rows <= strip_rows of the kernel's caller; any value >= 1
  size_t tile;  // index of the tile of nr channels
  void* strip;  // aligned to 64 bytes
  ptrdiff_t strip_stride;  // bytes between rows of the strip, multiple of 64,
                           // >= nr * 4
  void* scratch;           // scratch_bytes bytes, aligned to 64, or null
};

struct GemmKernel {
  const char* name;  // "w1a1/lut/avx2": family/technique/isa
  uint32_t needs;    // CpuBit set
  // Largest k for which no accumulator can overflow with these operands; 0 if
  // the kernel does not take them.
  size_t (*max_k)(GemmTypes types) noexcept;
  size_t nr;      // channels per tile, multiple of 16
  size_t mr;      // rows that one call handles best
  size_t n_unit;  // the work is that of n rounded up to this, and of k rounded
  size_t k_unit;  // up to this
  // Bytes of the packed right operand, and the packing from the canonical form
  // (code_matrix.h).
  size_t (*packed_rhs_bytes)(GemmTypes types, size_t n, size_t k) noexcept;
  void (*pack_rhs)(const CodeMatrix& weights, Operand activations,
                   void* packed) noexcept;
  // Left packing of rows [row, row + rows); both null if the operand is read
  // directly.
  size_t (*packed_lhs_bytes)(GemmTypes types, size_t rows, size_t k) noexcept;
  void (*pack_lhs)(GemmTypes types, const GemmLhs& lhs, size_t k, size_t row,
                   size_t rows, void* packed) noexcept;
  void (*run)(const GemmStripArgs& args) noexcept;
  // Turns of the inner loop for one multiplication (pairs of bit planes);
  // null = 1.
  size_t (*passes)(GemmTypes types) noexcept = nullptr;
  // Scratch of one call; null = none.
  size_t (*scratch_bytes)(GemmTypes types, size_t k) noexcept = nullptr;
  // Bytes of accumulators that a call likes to fill; 0: a quarter of L1. More
  // for kernels that unpack weights in every call.
  size_t strip_bytes = 0;
  // The packing of weights in groups, for kernels whose max_k takes such types;
  // they have no pack_rhs.
  void (*pack_groups)(GemmTypes types, const CodeMatrix& weights,
                      const WeightGroups& groups,
                      void* packed) noexcept = nullptr;
  bool reads_offsets = false;  // GemmLhs::f32_offsets
  // A tile of the packed right operand as floats [k][nr], the packed form of
  // f32/fma kernels of that nr; null if it has none.
  void (*unpack_rhs)(GemmTypes types, const void* packed, size_t k, size_t tile,
                     float* out) noexcept = nullptr;
};

using GemmKernelList = std::span<const GemmKernel>;

// All kernels that may run on `cpu` (references first), for tests and benches.
std::vector<const GemmKernel*> GemmKernels(const CpuFeatures& cpu);

// The kernel with the fewest predicted cycles (gemm_cost.h) that takes the
// operands and k. Never null for {weights, activations} = {any code or kF32,
// kF32}, groups of {TakesGroups, kF32} or {any code but kS16, any activation
// code} up to the k that an int32 sum allows; {kS16, up to 4 bits} likewise.
// Null for others.
const GemmKernel* SelectGemm(const GemmQuery& query, const CpuFeatures& cpu);

// Whether weights of `type` may come in groups: codes of at most 8 bits, one
// apart.
bool TakesGroups(Operand type) noexcept;

// Whether `kernel` is the plain reference: a plan that uses one is a warning
// that the user sees.
bool IsReference(const GemmKernel& kernel);

// Largest k for which |sum of k products| < 2^(bits - 1) whatever the codes:
// the usual max_k of an integer kernel.
size_t MaxK(GemmTypes types, unsigned bits) noexcept;

}  // namespace bittern::kernels
