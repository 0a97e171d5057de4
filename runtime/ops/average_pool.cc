// AveragePool: fl(sum / count) of each window, summed in row-major order; count
// includes padding only with count_include_pad.
#include "runtime/ops/binary_op.h"
#include "runtime/ops/pool_op.h"

namespace bittern::runtime {
namespace {

struct AveragePoolFn {
  float operator()(const float* image, int64_t width, WindowSpan h,
                   WindowSpan w, bool count_padding) const {
    float sum = 0;
    for (int64_t y = h.begin; y < h.end; ++y) {
      for (int64_t x = w.begin; x < w.end; ++x) sum += image[y * width + x];
    }
    const int64_t count = count_padding ? h.padded_count * w.padded_count
                                        : (h.end - h.begin) * (w.end - w.begin);
    return CanonicalNan(sum / static_cast<float>(count));
  }
};

}  // namespace

constinit const OpInfo kAveragePoolOp =
    PoolOpInfo<AveragePoolFn>("AveragePool");

}  // namespace bittern::runtime
