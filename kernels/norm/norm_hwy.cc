// LayerNorm and row sums for every Highway target.
//   y[r][i] = fma(fl(fl(x[r][i] - mean) * rstd), gamma[i], beta[i]), three
//   passes over a row that stays in L1.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/norm/norm_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/rows-inl.h"
#include "kernels/norm/norm_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

HWY_INLINE void StoreBlock(const VF (&y)[kVecs], float* out) {
  for (size_t v = 0; v < kVecs; ++v)
    hn::StoreU(Canonical(y[v]), DF(), out + v * kLanes);
}

void NormRow(const float* x, const float* gamma, const float* beta,
             float epsilon, float* out, size_t cols) {
  const FloatRow row{x};
  const NormedRow<FloatRow> normed{row, gamma, beta,
                                   Moments(row, cols, epsilon)};
  VF y[kVecs];
  size_t i = 0;
  for (; i + kBlock <= cols; i += kBlock) {
    normed.Load(i, y);
    StoreBlock(y, out + i);
  }
  if (i == cols) return;
  HWY_ALIGN float block[kBlock];
  normed.LoadTail(i, cols - i, y);
  StoreBlock(y, block);
  memcpy(out + i, block, (cols - i) * sizeof(float));
}

void LayerNorm(const float* x, const float* gamma, const float* beta,
               float epsilon, float* y, size_t rows, size_t cols) noexcept {
  for (size_t r = 0; r < rows; ++r)
    NormRow(x + r * cols, gamma, beta, epsilon, y + r * cols, cols);
}

float SumOfRow(const float* x, size_t cols) noexcept {
  return hn::GetLane(Canonical(hn::Set(DF(), RowSum(FloatRow{x}, cols))));
}

}  // namespace

const NormKernel* NormHwyKernel() {
  static constexpr NormKernel kKernel = {"norm/hwy", &LayerNorm, &SumOfRow,
                                         false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(NormHwyKernel);

std::span<const NormKernel> NormHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(NormHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
