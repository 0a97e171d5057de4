// Declares the functions of pool_kernels.inc, one per kernel file; private to
// this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/bits.h"
#include "kernels/base/cpu.h"
#include "kernels/pool/pool.h"

namespace bittern::kernels {

// Columns of one phase: column i * stride + phase of the padded line is element
// i of the phase's line.
inline size_t PoolPhaseWidth(const PoolAxis& w) {
  return RoundUp(w.out + (w.kernel - 1) / w.stride, 16) + 16;
}

#define BITTERN_POOL_KERNEL(needs, Name) \
  std::span<const PoolKernel> Name(const CpuFeatures& cpu);
#include "kernels/pool/pool_kernels.inc"
#undef BITTERN_POOL_KERNEL

}  // namespace bittern::kernels
