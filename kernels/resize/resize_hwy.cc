// Resize for every Highway target; lanes are output columns of a plane.
//   nearest: y[r][c] = x[rows[r]][cols[c]]; a source row that repeats is copied
//   linear:  two source rows are interpolated along their columns into lines
//            that stay in L1 and serve every output row between them
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resize/resize_hwy.cc"
#include "hwy/foreach_target.h"
// foreach_target.h comes before everything that depends on the target.
#include "kernels/base/math-inl.h"
#include "kernels/resize/resize_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace bittern::kernels::HWY_NAMESPACE {
namespace {

// The last vector of a line of `count` floats.
HWY_INLINE void StorePart(VF y, float* out, size_t count) {
  HWY_ALIGN float block[kBlock];
  hn::Store(y, DF(), block);
  memcpy(out, block, count * sizeof(float));
}

HWY_INLINE void StoreSome(VF y, float* out, size_t count) {
  if (HWY_LIKELY(count >= kLanes)) {
    hn::StoreU(y, DF(), out);
  } else {
    StorePart(y, out, count);
  }
}

HWY_INLINE VF Gather(const float* line, const int32_t* index) {
  return hn::GatherIndex(DF(), line, hn::LoadU(DI(), index));
}

void Nearest(const NearestArgs& args, size_t plane, size_t planes) noexcept {
  const ResizePlanes& p = args.planes;
  for (size_t i = plane; i < plane + planes; ++i) {
    const float* x = p.x + i * p.in_h * p.in_w;
    float* y = p.y + i * p.out_h * p.out_w;
    for (size_t r = 0; r < p.out_h; ++r, y += p.out_w) {
      if (r > 0 && args.rows[r] == args.rows[r - 1]) {
        memcpy(y, y - p.out_w, p.out_w * sizeof(float));
        continue;
      }
      const float* line = x + static_cast<size_t>(args.rows[r]) * p.in_w;
      for (size_t c = 0; c < p.out_w; c += kLanes)
        StoreSome(Canonical(Gather(line, args.cols + c)), y + c, p.out_w - c);
    }
  }
}

HWY_INLINE VF Between(VF a, VF b, VF weight) {
  return hn::MulAdd(weight, hn::Sub(b, a), a);
}

// Interpolates one source row along its columns.
void ColumnLine(const float* x, const LinearTable& cols, size_t count,
                float* HWY_RESTRICT line) {
  const DF d;
  for (size_t c = 0; c < count; c += kLanes) {
    hn::Store(Between(Gather(x, cols.lo + c), Gather(x, cols.hi + c),
                      hn::LoadU(d, cols.weight + c)),
              d, line + c);
  }
}

// The last two source rows that were interpolated.
struct LineCache {
  float* lines[2];
  int32_t rows[2];
  size_t next;

  // The line of a source row; never replaces `keep`.
  const float* Line(const LinearArgs& args, const float* x, int32_t row,
                    const float* keep) {
    for (size_t i = 0; i < 2; ++i) {
      if (rows[i] == row) return lines[i];
    }
    if (lines[next] == keep) next = 1 - next;
    const size_t at = next;
    next = 1 - next;
    rows[at] = row;
    ColumnLine(x + static_cast<size_t>(row) * args.planes.in_w, args.cols,
               args.planes.out_w, lines[at]);
    return lines[at];
  }
};

void Linear(const LinearArgs& args, size_t plane, size_t planes) noexcept {
  const DF d;
  const ResizePlanes& p = args.planes;
  const size_t entries = (p.out_w + kBlock - 1) / kBlock * kBlock;
  for (size_t i = plane; i < plane + planes; ++i) {
    const float* x = p.x + i * p.in_h * p.in_w;
    float* y = p.y + i * p.out_h * p.out_w;
    LineCache cache{{args.scratch, args.scratch + entries}, {-1, -1}, 0};
    for (size_t r = 0; r < p.out_h; ++r, y += p.out_w) {
      const float* lo = cache.Line(args, x, args.rows.lo[r], nullptr);
      const float* hi = cache.Line(args, x, args.rows.hi[r], lo);
      const VF weight = hn::Set(d, args.rows.weight[r]);
      for (size_t c = 0; c < p.out_w; c += kLanes) {
        const VF value =
            Between(hn::Load(d, lo + c), hn::Load(d, hi + c), weight);
        StoreSome(Canonical(value), y + c, p.out_w - c);
      }
    }
  }
}

}  // namespace

const ResizeKernel* ResizeHwyKernel() {
  static constexpr ResizeKernel kKernel = {"resize/hwy", &Nearest, &Linear,
                                           false};
  return &kKernel;
}

}  // namespace bittern::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bittern::kernels {

HWY_EXPORT(ResizeHwyKernel);

std::span<const ResizeKernel> ResizeHwy(const CpuFeatures& cpu) {
  return {BITTERN_HWY_TABLE(ResizeHwyKernel, cpu)(), 1};
}

}  // namespace bittern::kernels
#endif  // HWY_ONCE
