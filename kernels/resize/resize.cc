// Walks resize_kernels.inc: which kernels may run on a CPU, and the one to use;
// and the tables.
#include "kernels/resize/resize.h"

#include <algorithm>
#include <cmath>

#include "kernels/base/bits.h"
#include "kernels/base/kernel_list.h"
#include "kernels/resize/resize_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<ResizeKernel> kFiles[] = {
#define BITTERN_RESIZE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/resize/resize_kernels.inc"
#undef BITTERN_RESIZE_KERNEL
};

// Where output o lies in the input.
float Coordinate(const ResizeAxis& axis, size_t o) {
  const auto x = static_cast<float>(o);
  const float half = (x + 0.5f) / axis.scale - 0.5f;
  switch (axis.coordinates) {
    case ResizeCoordinates::kHalfPixel:
      return half;
    case ResizeCoordinates::kPytorchHalfPixel:
      return axis.out > 1 ? half : 0.0f;
    case ResizeCoordinates::kAlignCorners:
      return axis.out > 1 ? x * static_cast<float>(axis.in - 1) /
                                static_cast<float>(axis.out - 1)
                          : 0.0f;
    case ResizeCoordinates::kAsymmetric:
      return x / axis.scale;
  }
  return 0;
}

float Round(float x, ResizeRounding rounding) {
  switch (rounding) {
    case ResizeRounding::kPreferFloor:
      return std::ceil(x - 0.5f);
    case ResizeRounding::kPreferCeil:
      return std::floor(x + 0.5f);
    case ResizeRounding::kFloor:
      return std::floor(x);
    case ResizeRounding::kCeil:
      return std::ceil(x);
  }
  return 0;
}

float Inside(const ResizeAxis& axis, float x) {
  return std::clamp(x, 0.0f, static_cast<float>(axis.in - 1));
}

}  // namespace

size_t ResizeEntries(size_t out) { return RoundUp(out, 16); }

void MakeNearestTable(const ResizeAxis& axis, ResizeRounding rounding,
                      int32_t* index) {
  for (size_t o = 0; o < ResizeEntries(axis.out); ++o) {
    const float x = Inside(axis, Round(Coordinate(axis, o), rounding));
    index[o] = o < axis.out ? static_cast<int32_t>(x) : 0;
  }
}

void MakeLinearTable(const ResizeAxis& axis, int32_t* lo, int32_t* hi,
                     float* weight) {
  const auto last = static_cast<int32_t>(axis.in - 1);
  for (size_t o = 0; o < ResizeEntries(axis.out); ++o) {
    const float x = o < axis.out ? Inside(axis, Coordinate(axis, o)) : 0.0f;
    lo[o] = static_cast<int32_t>(x);
    hi[o] = o < axis.out ? std::min(lo[o] + 1, last) : 0;
    weight[o] = x - static_cast<float>(lo[o]);
  }
}

std::vector<const ResizeKernel*> ResizeKernels(const CpuFeatures& cpu) {
  return RunnableKernels<ResizeKernel>(kFiles, cpu);
}

const ResizeKernel* SelectResize(const CpuFeatures& cpu) {
  return ResizeKernels(cpu).back();
}

}  // namespace bittern::kernels
