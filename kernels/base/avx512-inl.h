// Raw AVX-512 kernel files include this instead of <immintrin.h> and put their
// code between BITTERN_AVX512_BEGIN("avx512f,...") and BITTERN_AVX512_END.
// Tests compile the same files a second time over SIMDe (BITTERN_SIMDE,
// tests/kernels/simde.h), so that any CPU checks them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/base.h"

#ifdef BITTERN_SIMDE
#define BITTERN_AVX512_BEGIN(features)
#define BITTERN_AVX512_END
#else
// g++ 12 takes the undefined operands inside its own header for uninitialised
// variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#define BITTERN_AVX512_BEGIN(features) HWY_PUSH_ATTRIBUTES(features)
#define BITTERN_AVX512_END HWY_POP_ATTRIBUTES
#endif

BITTERN_AVX512_BEGIN("avx512f,avx512bw")
namespace bittern::kernels {
namespace {

// Bytes p[0 .. count) of a vector, zeros from there on; count >= 1, may
// pass 64.
HWY_INLINE __m512i LoadBytes(const uint8_t* p, size_t count) {
#ifdef BITTERN_SIMDE  // which lacks the masked load
  uint8_t bytes[64] = {};
  std::memcpy(bytes, p, count < 64 ? count : 64);
  return _mm512_loadu_si512(bytes);
#else
  const __mmask64 mask = count < 64 ? (uint64_t{1} << count) - 1 : ~uint64_t{0};
  return _mm512_maskz_loadu_epi8(mask, p);
#endif
}

// The low halves of the 32-bit lanes to out[0 .. 32).
HWY_INLINE void StoreLowWords(__m512i lanes, uint8_t* out) {
#ifdef BITTERN_SIMDE  // which lacks the conversion
  uint32_t x[16];
  _mm512_storeu_si512(x, lanes);
  for (size_t i = 0; i < 16; ++i) std::memcpy(out + 2 * i, x + i, 2);
#else
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm512_cvtepi32_epi16(lanes));
#endif
}

HWY_INLINE __m512 ToFloats(__m512i lanes) {
#ifdef BITTERN_SIMDE  // which lacks the conversion
  int32_t x[16];
  float y[16];
  _mm512_storeu_si512(x, lanes);
  for (size_t i = 0; i < 16; ++i) y[i] = static_cast<float>(x[i]);
  return _mm512_loadu_ps(y);
#else
  return _mm512_cvtepi32_ps(lanes);
#endif
}

// fl(x * y + sum), rounded once.
HWY_INLINE __m512 MulAdd(__m512 x, __m512 y, __m512 sum) {
#ifdef BITTERN_SIMDE  // which rounds the product
  float a[16], b[16], c[16];
  _mm512_storeu_ps(a, x);
  _mm512_storeu_ps(b, y);
  _mm512_storeu_ps(c, sum);
  for (size_t i = 0; i < 16; ++i) c[i] = std::fma(a[i], b[i], c[i]);
  return _mm512_loadu_ps(c);
#else
  return _mm512_fmadd_ps(x, y, sum);
#endif
}

// Sum of the 32-bit lanes, modulo 2^32.
HWY_INLINE int32_t SumLanes(__m512i lanes) {
  alignas(64) uint32_t x[16];
  _mm512_store_si512(x, lanes);
  uint32_t sum = 0;
  for (uint32_t lane : x) sum += lane;
  return static_cast<int32_t>(sum);
}

}  // namespace
}  // namespace bittern::kernels
BITTERN_AVX512_END
