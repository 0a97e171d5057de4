#include "runtime/ops/sign_windows.h"

#include <algorithm>
#include <array>

namespace bittern::runtime {
namespace {

using kernels::Binary;
using kernels::Spread;

constexpr size_t kChunk =
    1024;  // accumulators evaluated at once: two arrays of 4 KiB stay in L1

struct Interval {
  int32_t lo = 1, hi = 0;
  int64_t count = 0;
  void Add(int32_t x) {
    if (count++ == 0) lo = x;
    hi = x;
  }
  bool Whole() const { return count == int64_t{hi} - lo + 1; }
};

// GELU as exporters spell it, operation by operation, so that a fused layer
// keeps the codes of the graph it came from; the rational form that kGelu runs
// is faster, which does not matter while planning.
void ErfGelu(const kernels::ElementwiseKernel& kernel, float* y, size_t count) {
  alignas(64) std::array<float, kChunk> w;
  const auto apply = [&](Binary f, float value, float* x) {
    kernel.binary(f, Spread::kRightScalar, x, &value, x, count);
  };
  std::copy_n(y, count, w.data());
  apply(Binary::kMul, 0.70710678f, w.data());
  kernel.unary(kernels::Unary::kErf, w.data(), w.data(), count);
  apply(Binary::kAdd, 1.0f, w.data());
  kernel.binary(Binary::kMul, Spread::kBoth, y, w.data(), y, count);
  apply(Binary::kMul, 0.5f, y);
}

// y[i] = the value whose sign is the code of accumulator acc[i] in channel c.
void Evaluate(const SignLayer& layer, const kernels::ElementwiseKernel& kernel,
              size_t c, const float* acc, float* y, size_t count) {
  const auto apply = [&](Binary f, const float* x, float value) {
    kernel.binary(f, Spread::kRightScalar, x, &value, y, count);
  };
  apply(Binary::kMul, acc, layer.scale[c]);
  if (layer.bias != nullptr) apply(Binary::kAdd, y, layer.bias[c]);
  for (const SignFunction& function : layer.functions) {
    switch (function.kind) {
      case SignFunction::Kind::kRelu:
        kernel.unary(kernels::Unary::kRelu, y, y, count);
        break;
      case SignFunction::Kind::kGelu:
        ErfGelu(kernel, y, count);
        break;
      case SignFunction::Kind::kClip:
        kernel.clip(y, function.lo, function.hi, y, count);
        break;
    }
  }
  if (layer.a != nullptr) {
    apply(Binary::kDiv, y, layer.a[c / layer.group]);
    apply(Binary::kAdd, y, layer.z[c / layer.group]);
  }
}

}  // namespace

Result<SignWindows> MakeSignWindows(const SignLayer& layer,
                                    const kernels::ElementwiseKernel& kernel) {
  SignWindows windows;
  for (auto* list :
       {&windows.pos_lo, &windows.pos_hi, &windows.neg_lo, &windows.neg_hi})
    list->resize(layer.n);
  alignas(64) std::array<float, kChunk> acc, y;
  const auto limit = static_cast<int32_t>(layer.k);
  for (size_t c = 0; c < layer.n; ++c) {
    Interval pos, neg;
    for (int32_t first = -limit; first <= limit;
         first += static_cast<int32_t>(kChunk)) {
      const size_t count =
          std::min(kChunk, static_cast<size_t>(limit - first) + 1);
      for (size_t i = 0; i < count; ++i)
        acc[i] = static_cast<float>(first + static_cast<int32_t>(i));
      Evaluate(layer, kernel, c, acc.data(), y.data(), count);
      for (size_t i = 0; i < count; ++i) {
        if (y[i] > 0) pos.Add(first + static_cast<int32_t>(i));
        if (y[i] < 0) neg.Add(first + static_cast<int32_t>(i));
      }
    }
    if (!pos.Whole() || !neg.Whole()) {
      return Unsupported("channel " + std::to_string(c) +
                         ": got accumulators of code " +
                         (pos.Whole() ? "-1" : "+1") +
                         " with gaps between them, expected one interval");
    }
    windows.pos_lo[c] = pos.lo;
    windows.pos_hi[c] = pos.hi;
    windows.neg_lo[c] = neg.lo;
    windows.neg_hi[c] = neg.hi;
  }
  return windows;
}

}  // namespace bittern::runtime
