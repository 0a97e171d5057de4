// Transposes of matrices of 4-byte and 1-byte elements: y[c][r] = x[r][c].
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

struct TransposeArgs {
  const void* x;       // [rows][cols]
  ptrdiff_t x_stride;  // bytes
  void* y;             // [cols][rows], no overlap with x
  ptrdiff_t y_stride;  // bytes
  size_t rows, cols;
};

struct TransposeKernel {
  const char* name;
  void (*words)(const TransposeArgs& args) noexcept;  // 4-byte elements
  void (*bytes)(const TransposeArgs& args) noexcept;
  bool is_reference;
};

std::vector<const TransposeKernel*> TransposeKernels(
    const CpuFeatures& cpu);  // reference first
const TransposeKernel* SelectTranspose(const CpuFeatures& cpu);

}  // namespace bittern::kernels
