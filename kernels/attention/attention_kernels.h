// Declares the functions of attention_kernels.inc, one per kernel file; private
// to this folder and its tests.
#pragma once

#include <span>

#include "kernels/attention/attention.h"
#include "kernels/base/cpu.h"

namespace bittern::kernels {

#define BITTERN_ATTENTION_KERNEL(needs, Name) \
  std::span<const AttentionKernel> Name(const CpuFeatures& cpu);
#include "kernels/attention/attention_kernels.inc"
#undef BITTERN_ATTENTION_KERNEL

}  // namespace bittern::kernels
