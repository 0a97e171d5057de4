// Declares the functions of direct_kernels.inc, one per kernel file, and what
// the files share; private to this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/conv/direct.h"

namespace bittern::kernels {

#define BITTERN_DIRECT_KERNEL(needs, Name) \
  std::span<const DirectKernel> Name(const CpuFeatures& cpu);
#include "kernels/conv/direct_kernels.inc"
#undef BITTERN_DIRECT_KERNEL

// Bits [first, first + count) of a canonical row, count <= 32; 0 past it.
uint32_t FilterBits(const uint8_t* row, size_t first, size_t count) noexcept;

// The layout of the popcount kernels: packed[t][tap][i][j] (uint32) = bits
// ic 32 i .. 32 i + 31 of that tap of channel t * nr + j; 0 past n and past ic.
void PackFilterWords(const void* canonical, size_t n, size_t taps, size_t ic,
                     size_t nr, void* packed) noexcept;

}  // namespace bittern::kernels
