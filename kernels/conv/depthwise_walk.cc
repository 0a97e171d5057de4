// Output pixels by a depthwise kernel: a strip holds all channels of a few
// pixels.
#include <algorithm>

#include "kernels/conv/walk.h"

namespace bittern::kernels {

void DepthwiseRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                   size_t end, void* scratch) noexcept {
  const ConvGeometry& g = plan.query.geometry;
  const auto stride = static_cast<ptrdiff_t>(plan.strip_cols * sizeof(int32_t));
  for (size_t pixel = begin; pixel < end; pixel += plan.strip_rows) {
    const size_t count = std::min(plan.strip_rows, end - pixel);
    plan.kernel.depthwise->run({&g, &run.image, plan.query.types.activations,
                                run.filters, pixel, count, scratch,
                                plan.strip_cols});
    RunEpilogues(plan, run,
                 {scratch, stride, run.first_row + pixel, count, 0, g.oc});
  }
}

}  // namespace bittern::kernels
