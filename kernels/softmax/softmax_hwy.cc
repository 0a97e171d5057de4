// Softmax for every Highway target: p[r][i] = fl(exp(fl(x[r][i] - max_r)) *
// fl(1 / sum_r)), three passes over a row in L1. The first finds the smallest
// value too: where no difference is below -87, as in nearly every row, exp
// needs neither its clamps nor its way to denormal results. The order in which
// the maximum is found does not matter: -0 and +0 give the same differences,
// and a NaN reaches every element through the sum.
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

HWY_INLINE VF PositiveInfinity() {
  return hn::BitCast(DF(), hn::Set(DI(), 0x7f800000));
}

struct Range {
  float min, max;
};

// Of a row without NaN; four vectors a step, since Max and Min take 2-4 cycles.
HWY_INLINE Range RowRange(const float* x, size_t cols) {
  const DF d;
  VF max0 = NegativeInfinity(), max1 = max0, max2 = max0, max3 = max0;
  VF min0 = PositiveInfinity(), min1 = min0, min2 = min0, min3 = min0;
  size_t i = 0;
  for (; i + 4 * kLanes <= cols; i += 4 * kLanes) {
    const VF x0 = hn::LoadU(d, x + i), x1 = hn::LoadU(d, x + i + kLanes),
             x2 = hn::LoadU(d, x + i + 2 * kLanes),
             x3 = hn::LoadU(d, x + i + 3 * kLanes);
    max0 = hn::Max(x0, max0);
    max1 = hn::Max(x1, max1);
    max2 = hn::Max(x2, max2);
    max3 = hn::Max(x3, max3);
    min0 = hn::Min(x0, min0);
    min1 = hn::Min(x1, min1);
    min2 = hn::Min(x2, min2);
    min3 = hn::Min(x3, min3);
  }
  for (; i + kLanes <= cols; i += kLanes) {
    max0 = hn::Max(hn::LoadU(d, x + i), max0);
    min0 = hn::Min(hn::LoadU(d, x + i), min0);
  }
  const VF max = hn::Max(hn::Max(max0, max1), hn::Max(max2, max3));
  const VF min = hn::Min(hn::Min(min0, min1), hn::Min(min2, min3));
  Range range{hn::GetLane(hn::MinOfLanes(d, min)),
              hn::GetLane(hn::MaxOfLanes(d, max))};
  for (; i < cols; ++i) {
    range.max = x[i] > range.max ? x[i] : range.max;
    range.min = x[i] < range.min ? x[i] : range.min;
  }
  return range;
}

template <bool kNear>
HWY_INLINE VF ExpOf(VF x) {
  return kNear ? ExpNormal(x) : Exp(x);
}

// y = exp(x - max) over a row, returning the row sum. y may be x.
template <bool kNear>
HWY_INLINE float ExpRow(const float* x, float max_value, float* y,
                        size_t cols) {
  const DF d;
  const VF max = hn::Set(d, max_value);
  LaneSum sum;
  size_t i = 0;
  for (; i + kBlock <= cols; i += kBlock) {
    for (size_t v = 0; v < kVecs; ++v) {
      const size_t at = i + v * kLanes;
      const VF e = ExpOf<kNear>(hn::Sub(hn::LoadU(d, x + at), max));
      hn::StoreU(e, d, y + at);
      sum.lane[v] = hn::Add(sum.lane[v], e);
    }
  }
  if (i < cols) {
    HWY_ALIGN float block[kBlock];
    PadBlock(x + i, cols - i, max_value, block);
    for (size_t v = 0; v < kVecs; ++v) {
      const VF e = ExpOf<kNear>(hn::Sub(hn::Load(d, block + v * kLanes), max));
      hn::Store(e, d, block + v * kLanes);
      sum.lane[v] =
          hn::Add(sum.lane[v], hn::IfThenElseZero(BlockMask(v, cols - i), e));
    }
    memcpy(y + i, block, (cols - i) * sizeof(float));
  }
  return Total(sum);
}

// No product is a NaN: y lies in [0, 1] and so does the scale.
HWY_INLINE void ScaleRow(float* y, float scale_value, size_t cols) {
  const DF d;
  const VF scale = hn::Set(d, scale_value);
  size_t i = 0;
  for (; i + kLanes <= cols; i += kLanes)
    hn::StoreU(hn::Mul(hn::LoadU(d, y + i), scale), d, y + i);
  if (i == cols) return;
  HWY_ALIGN float block[kBlock];
  PadBlock(y + i, cols - i, 0.0f, block);
  hn::Store(hn::Mul(hn::Load(d, block), scale), d, block);
  memcpy(y + i, block, (cols - i) * sizeof(float));
}

void FillNan(float* y, size_t cols) {
  const float nan = hn::GetLane(Canonical(hn::Set(DF(), 0.0f / 0.0f)));
  for (size_t i = 0; i < cols; ++i) y[i] = nan;
}

// Rows that go through each pass together, so that the latencies between the
// passes overlap, and the most elements of them that stay in L1 with their
// results.
constexpr size_t kRowBlock = 4;
constexpr size_t kBlockElements = 2048;

template <bool kNear>
void ExpRows(const float* x, const Range* range, float* y, size_t rows,
             size_t cols, float* sum) {
  for (size_t r = 0; r < rows; ++r) {
    sum[r] = ExpRow<kNear>(x + r * cols, range[r].max, y + r * cols, cols);
  }
}

void SoftmaxBlock(const float* x, float* y, size_t rows, size_t cols) {
  Range range[kRowBlock];
  float sum[kRowBlock];
  bool near = true;
  for (size_t r = 0; r < rows; ++r) {
    range[r] = RowRange(x + r * cols, cols);
    near &= range[r].min - range[r].max >= -87.0f;
  }
  near ? ExpRows<true>(x, range, y, rows, cols, sum)
       : ExpRows<false>(x, range, y, rows, cols, sum);
  for (size_t r = 0; r < rows; ++r) {
    sum[r] == sum[r] ? ScaleRow(y + r * cols, 1.0f / sum[r], cols)
                     : FillNan(y + r * cols, cols);
  }
}

void Softmax(const float* x, float* y, size_t rows, size_t cols) noexcept {
  size_t block = kBlockElements / HWY_MAX(cols, size_t{1});
  block = HWY_MIN(HWY_MAX(block, size_t{1}), kRowBlock);
  for (size_t r = 0; r < rows; r += block) {
    SoftmaxBlock(x + r * cols, y + r * cols, HWY_MIN(block, rows - r), cols);
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
