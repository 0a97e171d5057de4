// Declares the functions of scaled_kernels.inc, one per kernel file; private to
// this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/conv/scaled.h"

namespace bittern::kernels {

#define BITTERN_SCALED_KERNEL(needs, Name) \
  std::span<const ScaledKernel> Name(const CpuFeatures& cpu);
#include "kernels/conv/scaled_kernels.inc"
#undef BITTERN_SCALED_KERNEL

}  // namespace bittern::kernels
