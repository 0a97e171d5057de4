// The integer windows of a fused sign: for each channel the accumulators whose
// code is +1, and those whose code is -1, found by evaluating the layer's fp32
// operations, with the kernels that an unfused graph would run, at every
// accumulator that can occur. Exact by construction; fails if a set is no
// interval.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/elementwise/elementwise.h"
#include "runtime/base/result.h"

namespace bittern::runtime {

// One step between the scaled accumulator and the quantiser.
struct SignFunction {
  enum class Kind : uint8_t { kRelu, kGelu, kClip };
  Kind kind;
  float lo = 0, hi = 0;  // kClip
};

struct SignLayer {
  size_t n = 0, k = 0;
  const float* scale = nullptr;  // [n]
  const float* bias = nullptr;   // [n] or null
  std::vector<SignFunction> functions;
  const float* a = nullptr;  // [n / group] or null
  const float* z = nullptr;  // [n / group], with a
  size_t group = 0;
};

struct SignWindows {  // closed intervals, each [n]; empty ones have lo > hi
  std::vector<int32_t> pos_lo, pos_hi, neg_lo, neg_hi;
};

// Error: which channel has what, to put behind the layer's name.
Result<SignWindows> MakeSignWindows(const SignLayer& layer,
                                    const kernels::ElementwiseKernel& kernel);

}  // namespace bittern::runtime
