// Plain loops: the definition that the other kernels of this family are tested
// against.
#include "kernels/base/math_reference.h"
#include "kernels/norm/norm_kernels.h"

namespace bittern::kernels {
namespace {

void LayerNorm(const NormArgs& args, size_t row, size_t rows) noexcept {
  for (size_t r = row; r < row + rows; ++r) {
    const float* x = args.x + r * args.cols;
    const MomentsReference m = RowMomentsReference(
        x, args.cols, args.epsilon,
        args.lane_sums != nullptr ? args.lane_sums + 16 * r : nullptr);
    for (size_t i = 0; i < args.cols; ++i) {
      args.y[r * args.cols + i] = CanonicalReference(
          NormaliseReference(x[i], m, args.gamma[i], args.beta[i]));
    }
  }
}

void GroupNorm(const GroupNormArgs& args, size_t group, size_t count) noexcept {
  const size_t elements = args.channels * args.plane;
  for (size_t g = group; g < group + count; ++g) {
    const float* x = args.x + g * elements;
    const MomentsReference m = RowMomentsReference(x, elements, args.epsilon);
    for (size_t i = 0; i < elements; ++i) {
      const size_t c = g % args.groups * args.channels + i / args.plane;
      args.y[g * elements + i] = CanonicalReference(
          NormaliseReference(x[i], m, args.gamma[c], args.beta[c]));
    }
  }
}

float RowSum(const float* x, size_t cols) noexcept {
  LaneSumReference sum;
  for (size_t i = 0; i < cols; ++i) sum.Add(i, x[i]);
  return CanonicalReference(sum.Total());
}

constexpr NormKernel kKernels[] = {
    {"norm/reference", &LayerNorm, &GroupNorm, &RowSum, true}};

}  // namespace

std::span<const NormKernel> NormReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
