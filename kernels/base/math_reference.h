// exp, erf and tanh as plain C++, one float at a time: the definition in
// kernels/README.md "Float semantics" spelled with std::fma. The references of
// the kernel families use it, and the vector forms (math-inl.h) must give the
// same bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace bittern::kernels {

inline constexpr float kCanonicalNan =
    std::numeric_limits<float>::quiet_NaN();  // bits 0x7fc00000

// Every kernel that writes floats passes its results through this.
inline float CanonicalReference(float x) { return x == x ? x : kCanonicalNan; }

inline float ExpReference(float x) {
  if (x != x) return kCanonicalNan;
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = std::fma(x, 0x1.715476p+0f, 0x1.8p+23f);
  const float n = shifted - 0x1.8p+23f;
  float r = std::fma(n, -0x1.62e43p-1f, x);
  r = std::fma(n, 0x1.05c61p-29f, r);
  float p = 0x1.6a496p-10f;
  p = std::fma(p, r, 0x1.1239ap-7f);
  p = std::fma(p, r, 0x1.5558b4p-5f);
  p = std::fma(p, r, 0x1.555492p-3f);
  p = std::fma(p, r, 0x1.fffffcp-2f);
  p = std::fma(p, r, 1.0f);
  p = std::fma(p, r, 1.0f);
  const auto exponent = static_cast<int32_t>(n);
  const int32_t half = exponent >> 1;
  const auto scale = [](int32_t e) {
    return std::bit_cast<float>((e + 127) << 23);
  };
  return p * scale(half) * scale(exponent - half);
}

inline float ErfReference(float x) {
  if (x != x) return kCanonicalNan;
  const float a = std::fabs(x);
  if (a <= 0.921875f) {
    const float z = x * x;
    float p = -0x1.3a48e2p-11f;
    p = std::fma(p, z, 0x1.474a0ep-8f);
    p = std::fma(p, z, -0x1.b68e66p-6f);
    p = std::fma(p, z, 0x1.ce1ab4p-4f);
    p = std::fma(p, z, -0x1.8126e8p-2f);
    p = std::fma(p, z, 0x1.06eba6p-3f);
    return std::fma(p, x, x);
  }
  const float t = a > 4.0f ? 4.0f : a;
  float q = 0x1.9864fcp-13f;
  q = std::fma(q, t, -0x1.8d5c26p-9f);
  q = std::fma(q, t, 0x1.6b6bap-6f);
  q = std::fma(q, t, -0x1.a952fep-4f);
  q = std::fma(q, t, -0x1.464a52p-1f);
  q = std::fma(q, t, -0x1.20ab68p+0f);
  q = std::fma(q, t, -0x1.b83894p-13f);
  return std::copysign(1.0f - ExpReference(q), x);
}

inline float TanhReference(float x) {
  if (x != x) return kCanonicalNan;
  const float a = std::fabs(x);
  if (a <= 0.625f) {
    const float z = x * x;
    float p = -0x1.75619ap-8f;
    p = std::fma(p, z, 0x1.5207b8p-6f);
    p = std::fma(p, z, -0x1.b83738p-5f);
    p = std::fma(p, z, 0x1.1106fcp-3f);
    p = std::fma(p, z, -0x1.555532p-2f);
    return std::copysign(std::fma(p * z, a, a), x);
  }
  return std::copysign(1.0f - 2.0f / (ExpReference(2.0f * a) + 1.0f), x);
}

// relu(x) - a Q(a), Q the upper tail of the normal distribution.
inline float GeluReference(float x) {
  const float a = std::fabs(x) < 5.55f ? std::fabs(x) : 0.0f;
  float p = -0x1.5024fcp-8f;
  p = std::fma(p, a, 0x1.66e3b8p-4f);
  p = std::fma(p, a, -0x1.041242p-1f);
  p = std::fma(p, a, 1.0f);
  float q = 0x1.03141ap-14f;
  q = std::fma(q, a, -0x1.070118p-13f);
  q = std::fma(q, a, 0x1.5bd232p-10f);
  q = std::fma(q, a, 0x1.9af366p-9f);
  q = std::fma(q, a, 0x1.c15deep-11f);
  q = std::fma(q, a, 0x1.faab9p-4f);
  q = std::fma(q, a, -0x1.be8028p-4f);
  q = std::fma(q, a, 1.0f);
  const float r = p / q;
  const float t = a * 0.5f * r;
  return CanonicalReference(std::fma(-t, r, x < 0 ? 0.0f : x));
}

inline float ClipReference(float x, float lo, float hi) {
  const float raised = x < lo ? lo : x;
  return raised > hi ? hi : raised;
}

inline float PReluReference(float x, float slope) {
  return x < 0 ? x * slope : x;
}

// Sum of x[0..n) in 16 virtual lanes (kernels/README.md "Row sum").
class LaneSumReference {
 public:
  void Add(size_t i, float x) { lane_[i % 16] = lane_[i % 16] + x; }
  void AddSquare(size_t i, float x) {
    lane_[i % 16] = std::fma(x, x, lane_[i % 16]);
  }
  // The lanes themselves, as an epilogue hands them to LayerNorm.
  void Load(const float* lanes) {
    for (size_t j = 0; j < 16; ++j) lane_[j] = lanes[j];
  }
  float Total() const {
    float l[16];
    for (size_t j = 0; j < 16; ++j) l[j] = lane_[j];
    for (size_t step = 8; step != 0; step /= 2) {
      for (size_t j = 0; j < step; ++j) l[j] = l[j] + l[j + step];
    }
    return l[0];
  }

 private:
  float lane_[16] = {};
};

struct MomentsReference {
  float mean = 0;
  float rstd = 0;
};

// Mean and reciprocal standard deviation of a row, as LayerNorm uses them;
// lane_sums: the lanes of its sum if they are known.
inline MomentsReference RowMomentsReference(const float* x, size_t n,
                                            float epsilon,
                                            const float* lane_sums = nullptr) {
  LaneSumReference sum, squares;
  if (lane_sums != nullptr) {
    sum.Load(lane_sums);
  } else {
    for (size_t i = 0; i < n; ++i) sum.Add(i, x[i]);
  }
  const float mean = sum.Total() / static_cast<float>(n);
  for (size_t i = 0; i < n; ++i) squares.AddSquare(i, x[i] - mean);
  const float variance = squares.Total() / static_cast<float>(n);
  return {mean, 1.0f / std::sqrt(variance + epsilon)};
}

inline float NormaliseReference(float x, const MomentsReference& m, float gamma,
                                float beta) {
  return std::fma((x - m.mean) * m.rstd, gamma, beta);
}

}  // namespace bittern::kernels
