// Declares the functions of resize_kernels.inc, one per kernel file; private to
// this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/resize/resize.h"

namespace bittern::kernels {

#define BITTERN_RESIZE_KERNEL(needs, Name) \
  std::span<const ResizeKernel> Name(const CpuFeatures& cpu);
#include "kernels/resize/resize_kernels.inc"
#undef BITTERN_RESIZE_KERNEL

}  // namespace bittern::kernels
