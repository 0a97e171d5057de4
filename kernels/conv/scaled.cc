// Walks scaled_kernels.inc, and packs filters: once per weight when a model is
// planned, so plain loops do.
#include "kernels/conv/scaled.h"

#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/base/kernel_list.h"
#include "kernels/conv/conv.h"
#include "kernels/conv/scaled_kernels.h"
#include "kernels/conv/walk.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<ScaledKernel> kFiles[] = {
#define BITTERN_SCALED_KERNEL(needs, Name) {needs, &Name},
#include "kernels/conv/scaled_kernels.inc"
#undef BITTERN_SCALED_KERNEL
};

}  // namespace

std::vector<const ScaledKernel*> ScaledKernels(const CpuFeatures& cpu) {
  return RunnableKernels<ScaledKernel>(kFiles, cpu);
}

// Sums of every second pair of taps, which maddubs leaves in 16 bits: those
// with the pad, whose weight is that of a whole row, are the largest.
bool TakesScaled(GemmTypes types, size_t kernel_h, size_t kernel_w) noexcept {
  const unsigned bits = FieldBits(types.weights);
  if (!IsByteCode(types.activations) || types.weights == Operand::kF32 ||
      bits > 8 || kernel_h > INT16_MAX || kernel_w > INT8_MAX) {
    return false;
  }
  const ValueRange codes = RangeOf(types.activations);
  const auto code =
                 static_cast<size_t>(codes.lo < 0 ? 128 + codes.hi : codes.hi),
             weight = static_cast<size_t>(RangeOf(types.weights).MaxAbs()),
             row = 2 * QuadsOf(kernel_w) - 1 + kernel_w;
  return kernel_w * weight <= INT8_MAX &&
         kernel_h * row * code * weight <= INT16_MAX;
}

size_t ScaledRingBytes(const ConvGeometry& g) noexcept {
  constexpr size_t kMost = size_t{1} << 30;
  size_t bytes = QuadsOf(g.w.kernel) * kQuad;
  for (const size_t factor : {g.ic, g.w.out, Reach(g.h, 1)}) {
    if (factor >= kMost / bytes) return 0;
    bytes *= factor;
  }
  return bytes;
}

size_t ScaledFilterBytes(const ConvGeometry& g, size_t nr) noexcept {
  return RoundUp(g.oc, nr) * g.ic * g.h.kernel * QuadsOf(g.w.kernel) * kQuad;
}

void PackScaledFilters(const ConvGeometry& g, size_t nr, const CodeMatrix& w,
                       void* packed) noexcept {
  auto* out = static_cast<int8_t*>(packed);
  std::memset(out, 0, ScaledFilterBytes(g, nr));
  const size_t quads = QuadsOf(g.w.kernel), lines = g.h.kernel * quads;
  for (size_t n = 0; n < g.oc; ++n) {
    int8_t* tile = out + (n / nr * g.ic * lines * nr + n % nr) * kQuad;
    for (size_t c = 0; c < g.ic; ++c) {
      for (size_t y = 0; y < g.h.kernel; ++y) {
        const auto at = [&](size_t x) -> int8_t& {
          const size_t line = c * lines + y * quads + x / kQuad;
          return tile[line * nr * kQuad + x % kQuad];
        };
        int32_t sum = 0;
        for (size_t x = 0; x < g.w.kernel; ++x) {
          const int32_t value = ValueAt(w, n, (y * g.w.kernel + x) * g.ic + c);
          at(x) = static_cast<int8_t>(value);
          sum += value;
        }
        at(g.w.kernel) = static_cast<int8_t>(-sum);
      }
    }
  }
}

}  // namespace bittern::kernels
