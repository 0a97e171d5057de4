// Declares the functions of points_kernels.inc, one per kernel file; private to
// this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/points/points.h"

namespace bittern::kernels {

#define BITTERN_POINTS_KERNEL(needs, Name) \
  std::span<const PointsKernel> Name(const CpuFeatures& cpu);
#include "kernels/points/points_kernels.inc"
#undef BITTERN_POINTS_KERNEL

}  // namespace bittern::kernels
