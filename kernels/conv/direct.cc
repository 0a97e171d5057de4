// Walks direct_kernels.inc, and packs filters for the popcount kernels: once
// per weight when a model is planned, so plain loops do.
#include "kernels/conv/direct.h"

#include <algorithm>

#include "kernels/base/bits.h"
#include "kernels/base/kernel_list.h"
#include "kernels/conv/direct_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<DirectKernel> kFiles[] = {
#define BITTERN_DIRECT_KERNEL(needs, Name) {needs, &Name},
#include "kernels/conv/direct_kernels.inc"
#undef BITTERN_DIRECT_KERNEL
};

}  // namespace

std::vector<const DirectKernel*> DirectKernels(const CpuFeatures& cpu) {
  return RunnableKernels<DirectKernel>(kFiles, cpu);
}

uint32_t FilterBits(const uint8_t* row, size_t first, size_t count) noexcept {
  uint32_t bits = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = first + i;
    bits |= (uint32_t{row[at / 8]} >> (at % 8) & 1) << i;
  }
  return bits;
}

void PackFilterWords(const void* canonical, size_t n, size_t taps, size_t ic,
                     size_t nr, void* packed) noexcept {
  const auto* rows = static_cast<const uint8_t*>(canonical);
  const size_t row_bytes = CeilDiv(taps * ic, 8);
  auto* out = static_cast<uint32_t*>(packed);
  for (size_t tile = 0; tile < RoundUp(n, nr); tile += nr) {
    for (size_t tap = 0; tap < taps; ++tap) {
      for (size_t i = 0; i < ic; i += 32) {
        for (size_t j = tile; j < tile + nr; ++j) {
          *out++ = j < n ? FilterBits(rows + j * row_bytes, tap * ic + i,
                                      std::min<size_t>(ic - i, 32))
                         : 0;
        }
      }
    }
  }
}

}  // namespace bittern::kernels
