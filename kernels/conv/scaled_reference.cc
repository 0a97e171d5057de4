// Plain loops that define what a kernel for scaled channels computes.
#include <cmath>

#include "kernels/conv/scaled_kernels.h"

namespace bittern::kernels {
namespace {

constexpr size_t kNr = 16;

void MakeQuads(const uint8_t* const* taps, uint8_t flip, size_t n,
               uint8_t* out) noexcept {
  for (size_t i = 0; i < n; ++i) {
    for (size_t t = 0; t < kQuad; ++t)
      out[i * kQuad + t] = static_cast<uint8_t>(taps[t][i] ^ flip);
  }
}

int32_t SumOf(const ScaledArgs& args, size_t row, size_t channel, size_t j) {
  int32_t sum = 0;
  for (size_t l = 0; l < args.lines; ++l) {
    const uint8_t* quad = args.quads[l] +
                          static_cast<ptrdiff_t>(row) * args.pixel +
                          channel * kQuad;
    const int8_t* w =
        args.filters + ((channel * args.lines + l) * kNr + j) * kQuad;
    for (size_t t = 0; t < kQuad; ++t) sum += quad[t] * w[t];
  }
  return sum;
}

void Run(const ScaledArgs& args) noexcept {
  for (size_t r = 0; r < args.rows; ++r) {
    for (size_t j = 0; j < kNr; ++j) {
      float sum = 0;
      for (size_t c = 0; c < args.channels; ++c) {
        sum = std::fma(static_cast<float>(SumOf(args, r, c, j)), args.scale[c],
                       sum);
      }
      args.strip[r * args.strip_stride + j] = sum;
    }
  }
}

constexpr ScaledKernel kKernels[] = {
    {"scaled/reference", kNone, kNr, 1, false, &MakeQuads, &Run, 0.2, true},
};

}  // namespace

std::span<const ScaledKernel> ScaledReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
