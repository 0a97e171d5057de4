// What the ops on clouds of points share: checks of their inputs, coordinates
// in planes.
#pragma once

#include "kernels/points/points.h"
#include "runtime/ops/infer.h"

namespace bittern::runtime {

// A cloud input [batch, points, channels].
struct CloudSize {
  size_t batch = 0, points = 0, channels = 0;
};

// f32 [B,N,C] with N and C at least 1, and C `channels` unless that is 0.
Result<CloudSize> CheckCloud(const InferContext& context, size_t input,
                             const char* label, size_t channels);
// `other` has as many samples as `cloud`, and points of as many coordinates.
Result<CloudSize> CheckQueries(const InferContext& context, size_t input,
                               const char* label, const CloudSize& cloud);
// Attribute `name`, at least 1 and at most `most`.
Result<size_t> CheckCount(const InferContext& context, const char* name,
                          size_t most);

// Bytes of the planes of one sample.
inline size_t PlaneBytes(const CloudSize& size) {
  return size.channels * kernels::PlaneStride(size.points) * sizeof(float);
}
// Fills `planes` from rows [points, channels].
kernels::PointPlanes FillPlanes(const CloudSize& size, const float* rows,
                                float* planes);

}  // namespace bittern::runtime
