// Declares the functions of elementwise_kernels.inc, one per kernel file;
// private to this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/elementwise/elementwise.h"

namespace bittern::kernels {

#define BITTERN_ELEMENTWISE_KERNEL(needs, Name) \
  std::span<const ElementwiseKernel> Name(const CpuFeatures& cpu);
#include "kernels/elementwise/elementwise_kernels.inc"
#undef BITTERN_ELEMENTWISE_KERNEL

}  // namespace bittern::kernels
