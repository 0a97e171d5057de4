// Quads of byte codes on NEON: four rows of bytes interleaved.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "kernels/conv/scaled_kernels.h"

namespace bittern::kernels {
namespace {

void MakeQuads(const uint8_t* const* taps, uint8_t flip, size_t n,
               uint8_t* out) noexcept {
  const uint8x16_t flips = vdupq_n_u8(flip);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const uint8x16x4_t quads = {{veorq_u8(vld1q_u8(taps[0] + i), flips),
                                 veorq_u8(vld1q_u8(taps[1] + i), flips),
                                 veorq_u8(vld1q_u8(taps[2] + i), flips),
                                 veorq_u8(vld1q_u8(taps[3] + i), flips)}};
    vst4q_u8(out + i * kQuad, quads);
  }
  for (; i < n; ++i) {
    for (size_t t = 0; t < kQuad; ++t)
      out[i * kQuad + t] = static_cast<uint8_t>(taps[t][i] ^ flip);
  }
}

}  // namespace
}  // namespace bittern::kernels
