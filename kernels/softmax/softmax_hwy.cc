// Softmax for every Highway target: p[r][i] = fl(exp(fl(x[r][i] - max_r)) *
// fl(1 / sum_r)), three passes over a row in L1. exp's lower clamp alone is
// needed, since x - max <= 0. The order in which the maximum is found does not
// matter: -0 and +0 give the same differences, and a NaN reaches every element
// through the sum.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax/softmax_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/rows-inl.h"
#include "kernels/softmax/softmax_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

HWY_INLINE VF NegativeInfinity() {
  return hn::BitCast(DF(), hn::Set(DI(), static_cast<int32_t>(0xff800000)));
}

float RowMax(const float* x, size_t cols) {
  const DF d;
  VF max = NegativeInfinity();
  size_t i = 0;
  for (; i + kLanes <= cols; i += kLanes)
    max = hn::Max(hn::LoadU(d, x + i), max);
  float result = hn::GetLane(hn::MaxOfLanes(d, max));
  for (; i < cols; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

// y = exp(x - max) over a row, returning the row sum. y may be x.
float ExpRow(const float* x, float max_value, float* y, size_t cols) {
  const DF d;
  const VF max = hn::Set(d, max_value);
  LaneSum sum;
  size_t i = 0;
  for (; i + kBlock <= cols; i += kBlock) {
    for (size_t v = 0; v < kVecs; ++v) {
      const size_t at = i + v * kLanes;
      const VF e = Exp(hn::Sub(hn::LoadU(d, x + at), max));
      hn::StoreU(e, d, y + at);
      sum.lane[v] = hn::Add(sum.lane[v], e);
    }
  }
  if (i < cols) {
    HWY_ALIGN float block[kBlock];
    PadBlock(x + i, cols - i, 0.0f, block);
    for (size_t v = 0; v < kVecs; ++v) {
      const VF e = Exp(hn::Sub(hn::Load(d, block + v * kLanes), max));
      hn::Store(e, d, block + v * kLanes);
      sum.lane[v] =
          hn::Add(sum.lane[v], hn::IfThenElseZero(BlockMask(v, cols - i), e));
    }
    memcpy(y + i, block, (cols - i) * sizeof(float));
  }
  return Total(sum);
}

void ScaleRow(float* y, float scale_value, size_t cols) {
  const DF d;
  const VF scale = hn::Set(d, scale_value);
  size_t i = 0;
  for (; i + kLanes <= cols; i += kLanes)
    hn::StoreU(Canonical(hn::Mul(hn::LoadU(d, y + i), scale)), d, y + i);
  if (i == cols) return;
  HWY_ALIGN float block[kBlock];
  PadBlock(y + i, cols - i, 0.0f, block);
  hn::Store(Canonical(hn::Mul(hn::Load(d, block), scale)), d, block);
  memcpy(y + i, block, (cols - i) * sizeof(float));
}

void Softmax(const float* x, float* y, size_t rows, size_t cols) noexcept {
  for (size_t r = 0; r < rows; ++r, x += cols, y += cols) {
    const float sum = ExpRow(x, RowMax(x, cols), y, cols);
    ScaleRow(y, 1.0f / sum, cols);
  }
}

}  // namespace

const SoftmaxKernel* SoftmaxHwyKernel() {
  static constexpr SoftmaxKernel kKernel = {"softmax/hwy", &Softmax, false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(SoftmaxHwyKernel);

std::span<const SoftmaxKernel> SoftmaxHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(SoftmaxHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
