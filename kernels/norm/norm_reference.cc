// Plain loops: the definition that the other kernels of this family are tested
// against.
#include "kernels/base/math_reference.h"
#include "kernels/norm/norm_kernels.h"

namespace bittern::kernels {
namespace {

void LayerNorm(const float* x, const float* gamma, const float* beta,
               float epsilon, float* y, size_t rows, size_t cols) noexcept {
  for (size_t r = 0; r < rows; ++r, x += cols, y += cols) {
    const MomentsReference m = RowMomentsReference(x, cols, epsilon);
    for (size_t i = 0; i < cols; ++i)
      y[i] = CanonicalReference(NormaliseReference(x[i], m, gamma[i], beta[i]));
  }
}

float RowSum(const float* x, size_t cols) noexcept {
  LaneSumReference sum;
  for (size_t i = 0; i < cols; ++i) sum.Add(i, x[i]);
  return CanonicalReference(sum.Total());
}

constexpr NormKernel kKernels[] = {
    {"norm/reference", &LayerNorm, &RowSum, true}};

}  // namespace

std::span<const NormKernel> NormReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
