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

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

struct GemmQuery {
  Operand weights = Operand::kF32;
  Operand activations = Operand::kF32;
  size_t m = 0, n = 0, k = 0;
};

// The left operand as the caller holds it: fp32 rows (stride in bytes), or code
// planes with one group.
struct GemmLhs {
  const float* f32 = nullptr;
  ptrdiff_t f32_stride = 0;
  CodePlanes planes{};
};

// One call of a kernel: strip[r][j] = sum_k a[row + r][k] * w[tile * nr +
// j][k], r < rows, j < nr. Strip elements are int32_t for code operands and
// float for kF32. Channels past n of the last tile are zero padding.
struct GemmStripArgs {
  const GemmLhs* lhs;
  const void* packed_lhs;  // what PackLhs wrote for rows [packed_row, ...), or
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
};

struct GemmKernel {
  const char* name;  // "w1a1/lut/avx2": family/technique/isa
  uint32_t needs;    // CpuBit set
  Operand weights;
  Operand activations;
  size_t nr;     // channels per tile, multiple of 16
  size_t mr;     // rows that one call handles best
  size_t max_k;  // largest k for which the accumulator cannot overflow
  // Bytes of the packed right operand, and the packing from the canonical form.
  // Canonical kBipolar: row-major bits, k contiguous, bit j of byte i = k 8i+j,
  // rows padded to a byte; canonical kF32: row-major float w[n][k].
  size_t (*packed_rhs_bytes)(size_t n, size_t k) noexcept;
  void (*pack_rhs)(const void* canonical, size_t n, size_t k,
                   void* packed) noexcept;
  // Left packing of rows [row, row + rows) (activation states for look-up
  // kernels); both null if planes are read directly.
  size_t (*packed_lhs_bytes)(size_t rows, size_t k) noexcept;
  void (*pack_lhs)(const GemmLhs& lhs, size_t k, size_t row, size_t rows,
                   void* packed) noexcept;
  void (*run)(const GemmStripArgs& args) noexcept;
  // Predicted cycles for the whole product on one core; tagged measured or
  // published in the kernel's file.
  double (*cycles)(const GemmQuery& query) noexcept;
};

using GemmKernelList = std::span<const GemmKernel>;

// All kernels that may run on `cpu` (reference first), for tests and benches.
std::vector<const GemmKernel*> GemmKernels(const CpuFeatures& cpu);

// The kernel with the fewest predicted cycles whose operands match and whose
// max_k holds; never null for operand pairs {kBipolar, kSign} and {kF32, kF32}
// (the reference always matches), null for others.
const GemmKernel* SelectGemm(const GemmQuery& query, const CpuFeatures& cpu);

// Whether `kernel` is the plain reference: a plan that uses one is a warning
// that the user sees.
bool IsReference(const GemmKernel& kernel);

}  // namespace bittern::kernels
