// Walks depthwise_kernels.inc, and packs filters: once per weight when a model
// is planned, so plain loops do.
#include "kernels/conv/depthwise.h"

#include <algorithm>
#include <cstring>

#include "kernels/base/bits.h"
#include "kernels/base/kernel_list.h"
#include "kernels/conv/depthwise_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<DepthwiseKernel> kFiles[] = {
#define BITTERN_DEPTHWISE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/conv/depthwise_kernels.inc"
#undef BITTERN_DEPTHWISE_KERNEL
};

constexpr size_t kAnyTaps = size_t{1} << 30;

}  // namespace

std::vector<const DepthwiseKernel*> DepthwiseKernels(const CpuFeatures& cpu) {
  return RunnableKernels<DepthwiseKernel>(kFiles, cpu);
}

size_t FloatTaps(GemmTypes types) noexcept {
  return types == GemmTypes{Operand::kF32, Operand::kF32} ? kAnyTaps : 0;
}

size_t ByteTaps(GemmTypes types) noexcept {
  const unsigned bits = FieldBits(types.weights);
  return IsByteCode(types.activations) && bits <= 8 ? MaxK(types, 32) : 0;
}

size_t BitTaps(GemmTypes types) noexcept {
  return types == GemmTypes{Operand::kBipolar, Operand::kSign} ? kAnyTaps : 0;
}

size_t LaneFilterBytes(size_t taps, size_t channels) noexcept {
  return taps * channels * sizeof(float);
}

void PackFloatLanes(const CodeMatrix& w, void* packed) noexcept {
  const auto* rows = static_cast<const float*>(w.data);
  auto* out = static_cast<float*>(packed);
  for (size_t tap = 0; tap < w.k; ++tap) {
    for (size_t c = 0; c < w.n; ++c) *out++ = rows[c * w.k + tap];
  }
}

void PackIntegerLanes(const CodeMatrix& w, void* packed) noexcept {
  auto* out = static_cast<int32_t*>(packed);
  for (size_t tap = 0; tap < w.k; ++tap) {
    for (size_t c = 0; c < w.n; ++c) *out++ = ValueAt(w, c, tap);
  }
}

size_t BitFilterBytes(size_t taps, size_t channels) noexcept {
  return taps * GroupWords(channels) * sizeof(uint64_t);
}

void PackBitLanes(const CodeMatrix& w, void* packed) noexcept {
  auto* out = static_cast<uint64_t*>(packed);
  const size_t words = GroupWords(w.n);
  std::fill_n(out, w.k * words, uint64_t{0});
  for (size_t tap = 0; tap < w.k; ++tap) {
    for (size_t c = 0; c < w.n; ++c) {
      out[tap * words + c / 64] |= static_cast<uint64_t>(ValueAt(w, c, tap) > 0)
                                   << (c % 64);
    }
  }
}

}  // namespace bittern::kernels
