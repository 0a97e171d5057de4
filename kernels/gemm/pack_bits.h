// The N-lanes layout of 1-bit weights that the popcount kernels share: 32 k of
// one channel in a 32-bit word, `nr` neighbouring channels side by side, so
// that one vector load feeds as many channels as it has 32-bit lanes:
//   packed[t][i][j] (uint32) = bits k = 32 i .. 32 i + 31 of channel t * nr +
//   j, bit b = k 32 i + b; 0 past n and past k.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bittern::kernels {

size_t PackedBitsBytes(size_t n, size_t k, size_t nr);

// `canonical`: row-major bits, rows padded to a byte (gemm.h). The value of its
// padding bits does not matter.
void PackBits(const void* canonical, size_t n, size_t k, size_t nr,
              void* packed);

// Bits 32 i .. 32 i + 31 of a row of a code plane (planes are little endian,
// like every supported target).
inline __attribute__((always_inline)) uint32_t PlaneWord(const uint64_t* row,
                                                         size_t i) {
  uint32_t word;
  __builtin_memcpy(&word,
                   reinterpret_cast<const uint8_t*>(row) + i * sizeof(word),
                   sizeof(word));
  return word;
}

}  // namespace bittern::kernels
