// Declares the functions of gemm_kernels.inc, one per kernel file; private to
// this folder and its tests.
#pragma once

#include "kernels/base/cpu.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

#define BITTERN_GEMM_KERNEL(needs, Name) \
  GemmKernelList Name(const CpuFeatures& cpu);
#include "kernels/gemm/gemm_kernels.inc"
#undef BITTERN_GEMM_KERNEL

}  // namespace bittern::kernels
