// Declares the functions of norm_kernels.inc, one per kernel file; private to
// this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/norm/norm.h"

namespace bittern::kernels {

#define BITTERN_NORM_KERNEL(needs, Name) \
  std::span<const NormKernel> Name(const CpuFeatures& cpu);
#include "kernels/norm/norm_kernels.inc"
#undef BITTERN_NORM_KERNEL

}  // namespace bittern::kernels
