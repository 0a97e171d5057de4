// Quads of byte codes on x86: four rows of bytes interleaved. Include inside
// HWY_PUSH_ATTRIBUTES of a file for SSE4 or more.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hwy/base.h"

namespace bittern::kernels {
namespace {

HWY_INLINE __m128i LoadQuadBytes(const uint8_t* p, __m128i flip) {
  return _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)),
                       flip);
}

HWY_INLINE void StoreQuads(uint8_t* out, __m128i quads) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), quads);
}

void MakeQuads(const uint8_t* const* taps, uint8_t flip, size_t n,
               uint8_t* out) noexcept {
  const uint8_t *t0 = taps[0], *t1 = taps[1], *t2 = taps[2], *t3 = taps[3];
  const __m128i flips = _mm_set1_epi8(static_cast<char>(flip));
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m128i a = LoadQuadBytes(t0 + i, flips),
                  b = LoadQuadBytes(t1 + i, flips),
                  c = LoadQuadBytes(t2 + i, flips),
                  d = LoadQuadBytes(t3 + i, flips);
    const __m128i ab0 = _mm_unpacklo_epi8(a, b), ab1 = _mm_unpackhi_epi8(a, b),
                  cd0 = _mm_unpacklo_epi8(c, d), cd1 = _mm_unpackhi_epi8(c, d);
    uint8_t* quads = out + i * 4;
    StoreQuads(quads, _mm_unpacklo_epi16(ab0, cd0));
    StoreQuads(quads + 16, _mm_unpackhi_epi16(ab0, cd0));
    StoreQuads(quads + 32, _mm_unpacklo_epi16(ab1, cd1));
    StoreQuads(quads + 48, _mm_unpackhi_epi16(ab1, cd1));
  }
  for (; i < n; ++i) {
    uint8_t* quad = out + i * 4;
    quad[0] = static_cast<uint8_t>(t0[i] ^ flip);
    quad[1] = static_cast<uint8_t>(t1[i] ^ flip);
    quad[2] = static_cast<uint8_t>(t2[i] ^ flip);
    quad[3] = static_cast<uint8_t>(t3[i] ^ flip);
  }
}

}  // namespace
}  // namespace bittern::kernels
