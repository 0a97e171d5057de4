// Declares the functions of depthwise_kernels.inc, one per kernel file, and the
// packings they share; private to this folder and its tests.
#pragma once

#include <span>

#include "kernels/base/cpu.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/depthwise.h"

namespace bittern::kernels {

#define BITTERN_DEPTHWISE_KERNEL(needs, Name) \
  std::span<const DepthwiseKernel> Name(const CpuFeatures& cpu);
#include "kernels/conv/depthwise_kernels.inc"
#undef BITTERN_DEPTHWISE_KERNEL

// Taps that each kind of operands allows, 0 for other kinds: fp32; codes of a
// byte x weights of up to 8 bits, whose products sum up in int32; bits.
size_t FloatTaps(GemmTypes types) noexcept;
size_t ByteTaps(GemmTypes types) noexcept;
size_t BitTaps(GemmTypes types) noexcept;

// packed[tap][channel]: float or int32_t.
size_t LaneFilterBytes(size_t taps, size_t channels) noexcept;
void PackFloatLanes(const CodeMatrix& weights, void* packed) noexcept;
void PackIntegerLanes(const CodeMatrix& weights, void* packed) noexcept;

// packed[tap][word] (uint64_t): bit c % 64 of word c / 64 is channel c; 0 past
// the channels.
size_t BitFilterBytes(size_t taps, size_t channels) noexcept;
void PackBitLanes(const CodeMatrix& weights, void* packed) noexcept;

}  // namespace bittern::kernels
