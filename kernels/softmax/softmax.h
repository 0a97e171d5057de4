// Softmax over contiguous rows (ONNX Softmax-13, axis -1): m = max x; e =
// exp(fl(x - m)); p = fl(e * fl(1 / sum e)).
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

struct SoftmaxKernel {
  const char* name;
  void (*softmax)(const float* x, float* y, size_t rows,
                  size_t cols) noexcept;  // y may be x
  bool is_reference;
};

std::vector<const SoftmaxKernel*> SoftmaxKernels(
    const CpuFeatures& cpu);  // reference first
const SoftmaxKernel* SelectSoftmax(const CpuFeatures& cpu);

}  // namespace bittern::kernels
