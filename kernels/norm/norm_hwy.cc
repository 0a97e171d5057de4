// LayerNorm, GroupNorm and row sums for every Highway target.
//   y[r][i] = fma(fl(fl(x[r][i] - mean) * rstd), gamma[i], beta[i]), three
//   passes over a row that stays in L1 (two where its sum is known).
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

void NormRow(const NormArgs& args, size_t r, const RowMoments& moments) {
  const size_t cols = args.cols;
  const NormedRow<FloatRow> normed{
      {args.x + r * cols}, args.gamma, args.beta, moments};
  float* out = args.y + r * cols;
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

// The moments of some rows first, four at a time: a row that follows its own
// square root waits for it.
constexpr size_t kRowBlock = 32;

void LayerNorm(const NormArgs& args, size_t row, size_t rows) noexcept {
  const size_t cols = args.cols;
  const auto x = [&args, cols](size_t r) -> FloatRow {
    return {args.x + r * cols};
  };
  const auto sums = [&args](size_t r) -> const float* {
    return args.lane_sums != nullptr ? args.lane_sums + r * kBlock : nullptr;
  };
  RowMoments moments[kRowBlock];
  for (const size_t end = row + rows; row < end; row += kRowBlock) {
    const size_t stop = HWY_MIN(row + kRowBlock, end);
    size_t r = row;
    for (; r + kMomentRows <= stop; r += kMomentRows) {
      const FloatRow in[] = {x(r), x(r + 1), x(r + 2), x(r + 3)};
      Moments4(in, cols, args.epsilon, moments + (r - row), sums(r));
    }
    for (; r < stop; ++r)
      moments[r - row] = Moments(x(r), cols, args.epsilon, sums(r));
    for (r = row; r < stop; ++r) NormRow(args, r, moments[r - row]);
  }
}

// One channel of a group: gamma and beta are the same for all of it.
void NormPlane(const float* x, const RowMoments& moments, float gamma,
               float beta, float* out, size_t count) {
  const DF d;
  const VF mean = hn::Set(d, moments.mean), rstd = hn::Set(d, moments.rstd);
  const VF g = hn::Set(d, gamma), b = hn::Set(d, beta);
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const VF y = Normalise(hn::LoadU(d, x + i), mean, rstd, g, b);
    hn::StoreU(Canonical(y), d, out + i);
  }
  if (i == count) return;
  HWY_ALIGN float block[kBlock];
  PadBlock(x + i, count - i, 0.0f, block);
  const VF y = Normalise(hn::Load(d, block), mean, rstd, g, b);
  hn::Store(Canonical(y), d, block);
  memcpy(out + i, block, (count - i) * sizeof(float));
}

void GroupNorm(const GroupNormArgs& args, size_t group, size_t count) noexcept {
  const size_t elements = args.channels * args.plane;
  for (size_t g = group; g < group + count; ++g) {
    const RowMoments moments =
        Moments(FloatRow{args.x + g * elements}, elements, args.epsilon);
    for (size_t c = 0; c < args.channels; ++c) {
      const size_t at = g * elements + c * args.plane;
      const size_t channel = g % args.groups * args.channels + c;
      NormPlane(args.x + at, moments, args.gamma[channel], args.beta[channel],
                args.y + at, args.plane);
    }
  }
}

float SumOfRow(const float* x, size_t cols) noexcept {
  return hn::GetLane(Canonical(hn::Set(DF(), RowSum(FloatRow{x}, cols))));
}

}  // namespace

const NormKernel* NormHwyKernel() {
  static constexpr NormKernel kKernel = {"norm/hwy", &LayerNorm, &GroupNorm,
                                         &SumOfRow, false};
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
