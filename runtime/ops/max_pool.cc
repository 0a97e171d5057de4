// MaxPool: the largest value of each window, NaN if it has one; padding never
// wins.
#include <limits>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/pool_op.h"

namespace bittern::runtime {
namespace {

struct MaxPoolFn {
  float operator()(const float* image, int64_t width, WindowSpan h,
                   WindowSpan w, bool) const {
    float best = -std::numeric_limits<float>::infinity();
    for (int64_t y = h.begin; y < h.end; ++y) {
      for (int64_t x = w.begin; x < w.end; ++x) {
        const float value = image[y * width + x];
        if (!(value <= best)) best = CanonicalNan(value);
        if (best != best) return best;
      }
    }
    return best;
  }
};

}  // namespace

constinit const OpInfo kMaxPoolOp = PoolOpInfo<MaxPoolFn>("MaxPool");

}  // namespace bittern::runtime
