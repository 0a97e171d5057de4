// fp32 rows -> three-valued code planes: code = sign(fl(fl(x / a) + z)),
// sign(0) = 0, optionally after LayerNorm of the row. a, z per column group
// (attention heads); a null means plain sign(x). NaN gives code 0.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

struct SignArgs {
  const float* x;      // rows of codes.cols floats
  ptrdiff_t x_stride;  // bytes
  const float* a;      // [codes.cols / codes.group] or null
  const float* z;      // likewise
  // LayerNorm before the sign, over all codes.cols columns; gamma null = none.
  const float* gamma;  // [cols]
  const float* beta;   // [cols]
  float epsilon;
  CodePlanes codes;  // written whole: both planes, valid_count
};

struct QuantizeKernel {
  const char* name;
  void (*sign)(const SignArgs& args, size_t row, size_t rows) noexcept;
  // code planes -> fp32 levels: out = fl((code - z) * a) (a null: out = code).
  // The inverse form, for unfused graphs and for comparing.
  void (*dequantize)(const CodePlanes& codes, const float* a, const float* z,
                     float* out, ptrdiff_t out_stride, size_t row,
                     size_t rows) noexcept;
  bool is_reference;
};

std::vector<const QuantizeKernel*> QuantizeKernels(
    const CpuFeatures& cpu);  // reference first
const QuantizeKernel* SelectQuantize(const CpuFeatures& cpu);

}  // namespace bittern::kernels
