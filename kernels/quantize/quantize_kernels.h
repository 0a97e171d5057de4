// Declares the functions of quantize_kernels.inc, one per kernel file; private
// to this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/quantize/quantize.h"

namespace bittern::kernels {

#define BITTERN_QUANTIZE_KERNEL(needs, Name) \
  std::span<const QuantizeKernel> Name(const CpuFeatures& cpu);
#include "kernels/quantize/quantize_kernels.inc"
#undef BITTERN_QUANTIZE_KERNEL

}  // namespace bittern::kernels
