// LayerNorm over contiguous rows (ONNX LayerNormalization-17, axis -1): float
// semantics in kernels/README.md.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

struct NormKernel {
  const char* name;
  // y[r][i] = fma(fl(d_i * rstd), gamma[i], beta[i]); x and y rows are `cols`
  // floats, contiguous; y may be x.
  void (*layer_norm)(const float* x, const float* gamma, const float* beta,
                     float epsilon, float* y, size_t rows,
                     size_t cols) noexcept;
  // sum of one row in the virtual-lane order; the building block of
  // ReduceMean/ReduceSum over the last axis.
  float (*row_sum)(const float* x, size_t cols) noexcept;
  bool is_reference;
};

std::vector<const NormKernel*> NormKernels(
    const CpuFeatures& cpu);  // reference first
const NormKernel* SelectNorm(const CpuFeatures& cpu);

}  // namespace bittern::kernels
