// Plain loops: the definition that the other kernels of this family are tested
// against. A NaN anywhere makes its row NaN.
#include <limits>

#include "kernels/base/math_reference.h"
#include "kernels/softmax/softmax_kernels.h"

namespace bittern::kernels {
namespace {

void Softmax(const float* x, float* y, size_t rows, size_t cols) noexcept {
  for (size_t r = 0; r < rows; ++r, x += cols, y += cols) {
    float max = -std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < cols; ++i) max = x[i] > max ? x[i] : max;
    LaneSumReference sum;
    for (size_t i = 0; i < cols; ++i) {
      y[i] = ExpReference(x[i] - max);
      sum.Add(i, y[i]);
    }
    const float inverse = 1.0f / sum.Total();
    for (size_t i = 0; i < cols; ++i) y[i] = CanonicalReference(y[i] * inverse);
  }
}

constexpr SoftmaxKernel kKernels[] = {{"softmax/reference", &Softmax, true}};

}  // namespace

std::span<const SoftmaxKernel> SoftmaxReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
