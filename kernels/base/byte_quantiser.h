// The quantiser of multi-bit activation codes, one code a byte (CodeBytes):
//   t = fl(x / s) or fl(x * s); t = fl(t + z) if z comes before the rounding;
//   c = round(t), half to even, 0 if t is NaN; c += z if z comes after it;
//   code = min(max(c, lo), hi); stored byte = (step * code + offset) mod 256.
// A NaN gives min(max(0, lo), hi), whatever the zero point.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/base/math_reference.h"

namespace bittern::kernels {

// What a scale (and its zero point) belongs to. A scale per attention head is
// one per column, repeated.
enum class ScalePer : uint8_t { kTensor, kColumn, kRow };

enum class ZeroPointPlace : uint8_t {
  kBeforeRounding,
  kAfterRounding,  // integers, |z| <= 2^15, so that lo - z .. hi - z are exact
};

struct ByteQuantiser {
  const float* scale = nullptr;  // [1], [cols] or [rows of the matrix]
  const float* zero = nullptr;   // likewise, or null: 0
  ScalePer per = ScalePer::kTensor;
  bool multiply = false;  // by `scale`, which then is a reciprocal
  ZeroPointPlace zero_place = ZeroPointPlace::kBeforeRounding;
  int32_t lo = 0, hi = 255;  // |lo|, |hi| <= 2^15, lo <= hi <= lo + 255
  // {2, -3} makes the codes 0..3 the values -3, -1, 1, 3 of kBipolar2.
  int32_t step = 1;  // 1 or 2
  int32_t offset = 0;
};

inline size_t ScaleIndex(ScalePer per, size_t row, size_t col) {
  return per == ScalePer::kColumn ? col : (per == ScalePer::kRow ? row : 0);
}

// The definition.
inline uint8_t ByteCodeReference(const ByteQuantiser& q, size_t row, size_t col,
                                 float x) {
  const size_t i = ScaleIndex(q.per, row, col);
  const float zero = q.zero != nullptr ? q.zero[i] : 0.0f;
  const bool after = q.zero_place == ZeroPointPlace::kAfterRounding;
  float t = q.multiply ? x * q.scale[i] : x / q.scale[i];
  if (!after) t = t + zero;
  float code = 0;
  if (t == t) code = std::nearbyint(t) + (after ? zero : 0.0f);
  const auto lo = static_cast<float>(q.lo), hi = static_cast<float>(q.hi);
  code = code < lo ? lo : code;
  code = code > hi ? hi : code;
  return static_cast<uint8_t>(q.step * static_cast<int32_t>(code) + q.offset);
}

}  // namespace bittern::kernels
