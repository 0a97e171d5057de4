// Plain loops: the definition that the other kernels of this family are tested
// against.
#include "kernels/base/math_reference.h"
#include "kernels/resize/resize_kernels.h"

namespace bittern::kernels {
namespace {

void Nearest(const NearestArgs& args, size_t plane, size_t planes) noexcept {
  const ResizePlanes& p = args.planes;
  for (size_t i = plane; i < plane + planes; ++i) {
    const float* x = p.x + i * p.in_h * p.in_w;
    for (size_t r = 0; r < p.out_h; ++r) {
      for (size_t c = 0; c < p.out_w; ++c) {
        const size_t row = static_cast<size_t>(args.rows[r]);
        const size_t col = static_cast<size_t>(args.cols[c]);
        p.y[(i * p.out_h + r) * p.out_w + c] =
            CanonicalReference(x[row * p.in_w + col]);
      }
    }
  }
}

float Between(float a, float b, float weight) {
  return std::fma(weight, b - a, a);
}

void Linear(const LinearArgs& args, size_t plane, size_t planes) noexcept {
  const ResizePlanes& p = args.planes;
  for (size_t i = plane; i < plane + planes; ++i) {
    const float* x = p.x + i * p.in_h * p.in_w;
    for (size_t r = 0; r < p.out_h; ++r) {
      for (size_t c = 0; c < p.out_w; ++c) {
        const auto row = [&](int32_t source) {
          const float* line = x + static_cast<size_t>(source) * p.in_w;
          return Between(line[args.cols.lo[c]], line[args.cols.hi[c]],
                         args.cols.weight[c]);
        };
        p.y[(i * p.out_h + r) * p.out_w + c] = CanonicalReference(Between(
            row(args.rows.lo[r]), row(args.rows.hi[r]), args.rows.weight[r]));
      }
    }
  }
}

constexpr ResizeKernel kKernels[] = {
    {"resize/reference", &Nearest, &Linear, true}};

}  // namespace

std::span<const ResizeKernel> ResizeReference(const CpuFeatures&) {
  return kKernels;
}

}  // namespace bittern::kernels
