// Declares the functions of gemm_kernels.inc, one per kernel file, and what the
// files share; private to this folder and its tests.
#pragma once

#include <cstddef>

#include "kernels/base/cpu.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

// How far ahead of the codes that they pack kernels ask for more, in bytes:
// rows are packed in bursts, each too short for a CPU's own prefetchers to come
// up to speed (1x1 convolutions of Q-DETR's R50, `fast8`, 14 MB of codes: 4.3
// -> 2.9 ms).
inline constexpr size_t kCodesAhead = 4096;

#define BITTERN_GEMM_KERNEL(needs, Name) \
  GemmKernelList Name(const CpuFeatures& cpu);
#include "kernels/gemm/gemm_kernels.inc"
#undef BITTERN_GEMM_KERNEL

}  // namespace bittern::kernels
