// Declares the functions of softmax_kernels.inc, one per kernel file; private
// to this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/softmax/softmax.h"

namespace bittern::kernels {

#define BITTERN_SOFTMAX_KERNEL(needs, Name) \
  std::span<const SoftmaxKernel> Name(const CpuFeatures& cpu);
#include "kernels/softmax/softmax_kernels.inc"
#undef BITTERN_SOFTMAX_KERNEL

}  // namespace bittern::kernels
