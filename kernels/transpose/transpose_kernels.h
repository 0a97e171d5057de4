// Declares the functions of transpose_kernels.inc, one per kernel file; private
// to this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/transpose/transpose.h"

namespace bittern::kernels {

#define BITTERN_TRANSPOSE_KERNEL(needs, Name) \
  std::span<const TransposeKernel> Name(const CpuFeatures& cpu);
#include "kernels/transpose/transpose_kernels.inc"
#undef BITTERN_TRANSPOSE_KERNEL

}  // namespace bittern::kernels
