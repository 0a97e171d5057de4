#include "runtime/ops/point_cloud.h"

#include <limits>

namespace bittern::runtime {
namespace {

// Places are 32-bit lanes.
constexpr int64_t kMostPoints = int64_t{1} << 30;

}  // namespace

Result<CloudSize> CheckCloud(const InferContext& context, size_t input,
                             const char* label, size_t channels) {
  BITTERN_TRY(CheckType(context, input, label, kF32Only));
  const Shape& shape = context.inputs[input].type.shape;
  const std::string last = channels == 0 ? "C" : std::to_string(channels);
  if (shape.rank() != 3 || shape[1] < 1 || shape[1] > kMostPoints ||
      shape[2] < 1 ||
      (channels != 0 && shape[2] != static_cast<int64_t>(channels))) {
    return WrongInput(context, input, label,
                      "f32[B,N," + last + "] with N from 1 to 2^30");
  }
  return CloudSize{static_cast<size_t>(shape[0]), static_cast<size_t>(shape[1]),
                   static_cast<size_t>(shape[2])};
}

Result<CloudSize> CheckQueries(const InferContext& context, size_t input,
                               const char* label, const CloudSize& cloud) {
  BITTERN_TRY(CheckType(context, input, label, kF32Only));
  const Shape& shape = context.inputs[input].type.shape;
  if (shape.rank() != 3 || shape[0] != static_cast<int64_t>(cloud.batch) ||
      shape[2] != static_cast<int64_t>(cloud.channels)) {
    return WrongInput(context, input, label,
                      "f32[" + std::to_string(cloud.batch) + ",M," +
                          std::to_string(cloud.channels) + "]");
  }
  return CloudSize{cloud.batch, static_cast<size_t>(shape[1]), cloud.channels};
}

Result<size_t> CheckCount(const InferContext& context, const char* name,
                          size_t most) {
  const int64_t count = context.Int(name, 0);
  if (count < 1 || static_cast<uint64_t>(count) > most) {
    return WrongAttribute(context, name, std::to_string(count),
                          "1 to " + std::to_string(most));
  }
  return static_cast<size_t>(count);
}

kernels::PointPlanes FillPlanes(const CloudSize& size, const float* rows,
                                float* planes) {
  const size_t stride = kernels::PlaneStride(size.points);
  for (size_t i = 0; i < size.points; ++i) {
    for (size_t c = 0; c < size.channels; ++c)
      planes[c * stride + i] = rows[i * size.channels + c];
  }
  for (size_t c = 0; c < size.channels; ++c) {
    for (size_t i = size.points; i < stride; ++i)
      planes[c * stride + i] = std::numeric_limits<float>::quiet_NaN();
  }
  return {planes, size.channels, size.points};
}

}  // namespace bittern::runtime
