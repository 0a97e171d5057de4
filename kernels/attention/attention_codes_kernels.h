// Declares the functions of attention_codes_kernels.inc, one per kernel file;
// private to this folder and its tests.
#pragma once

#include <span>

#include "kernels/attention/attention_codes.h"
#include "kernels/base/cpu.h"

namespace bittern::kernels {

#define BITTERN_CODE_ATTENTION_KERNEL(needs, Name) \
  std::span<const CodeAttentionKernel> Name(const CpuFeatures& cpu);
#include "kernels/attention/attention_codes_kernels.inc"
#undef BITTERN_CODE_ATTENTION_KERNEL

}  // namespace bittern::kernels
