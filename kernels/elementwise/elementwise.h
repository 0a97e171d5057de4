// Elementwise fp32 kernels over contiguous arrays. Unary and binary functions
// are named by an enum so that the kernel list, the tests, the benches and the
// runtime ops walk one table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

enum class Unary : uint8_t {
  kNeg,
  kAbs,
  kSqrt,
  kExp,
  kErf,
  kTanh,
  kSigmoid,
  kRelu,
  kGelu,
  kSign,
  kRound,
  kFloor,
  kCeil,
  kReciprocal,
  kCount
};
// kPRelu: a < 0 gives fl(a * b), else a.
enum class Binary : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMin,
  kMax,
  kPRelu,
  kCount
};

// How the operands of a binary kernel advance: both arrays, or one of them a
// single value.
enum class Spread : uint8_t { kBoth, kLeftScalar, kRightScalar };

struct ElementwiseKernel {
  const char* name;
  void (*unary)(Unary f, const float* x, float* y,
                size_t count) noexcept;  // y may be x
  void (*binary)(Binary f, Spread spread, const float* a, const float* b,
                 float* y, size_t count) noexcept;
  void (*clip)(const float* x, float lo, float hi, float* y,
               size_t count) noexcept;  // min(max(x, lo), hi); lo > hi gives
                                        // hi; NaN stays
  bool is_reference;
};

std::vector<const ElementwiseKernel*> ElementwiseKernels(
    const CpuFeatures& cpu);  // reference first
const ElementwiseKernel* SelectElementwise(const CpuFeatures& cpu);

}  // namespace bittern::kernels
