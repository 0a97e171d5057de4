// Declares the functions of bytes_kernels.inc, one per kernel file; private to
// this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/quantize/bytes.h"

namespace bittern::kernels {

#define BITTERN_BYTE_KERNEL(needs, Name) \
  std::span<const ByteKernel> Name(const CpuFeatures& cpu);
#include "kernels/quantize/bytes_kernels.inc"
#undef BITTERN_BYTE_KERNEL

}  // namespace bittern::kernels
