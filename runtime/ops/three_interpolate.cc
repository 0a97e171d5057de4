// ThreeInterpolate: features of the three points nearest to each query, the
// first of equals, weighted by the inverse of their squared distances.
#include <algorithm>
#include <bit>
#include <cmath>

#include "runtime/ops/binary_op.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/point_cloud.h"

namespace bittern::runtime {
namespace {

constexpr size_t kMostNear = 3;

class ThreeInterpolateOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY_ASSIGN(size_, CheckCloud(context, 1, "points", 3));
    BITTERN_TRY_ASSIGN(const CloudSize queries,
                       CheckQueries(context, 0, "queries", size_));
    queries_ = queries.points;
    near_ = std::min(kMostNear, size_.points);
    BITTERN_TRY(CheckType(context, 2, "features", kF32Only));
    const Shape& shape = context.inputs[2].type.shape;
    const auto batch = static_cast<int64_t>(size_.batch);
    const auto points = static_cast<int64_t>(size_.points);
    if (shape.rank() != 3 || shape[0] != batch || shape[1] != points) {
      return WrongInput(context, 2, "features",
                        "f32[" + std::to_string(batch) + "," +
                            std::to_string(points) + ",C]");
    }
    features_ = static_cast<size_t>(shape[2]);
    return SetOutput(context, 0, DType::kF32,
                     {batch, static_cast<int64_t>(queries_), shape[2]});
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectPoints(context.cpu);
    context.scratch_shared = PlaneBytes(size_);
    context.scratch_per_thread = kernels::PaddedPoints(size_.points) *
                                 (sizeof(int32_t) + sizeof(uint64_t));
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    auto* planes = reinterpret_cast<float*>(context.scratch_shared);
    for (size_t b = 0; b < size_.batch; ++b) {
      const float* rows =
          RunInput<float>(context, 1) + b * size_.points * size_.channels;
      const kernels::PointPlanes points = FillPlanes(size_, rows, planes);
      context.pool->For(queries_, Grain(size_.points * 2 + features_, 2),
                        [&](size_t part, size_t begin, size_t end) {
                          for (size_t i = begin; i < end; ++i)
                            Interpolate(context, points, part, b, i);
                        });
    }
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  void Interpolate(const RunContext& context,
                   const kernels::PointPlanes& points, size_t part, size_t b,
                   size_t query) const {
    auto* selected = reinterpret_cast<uint64_t*>(
        context.scratch_thread + part * context.scratch_thread_stride);
    auto* keys = reinterpret_cast<int32_t*>(
        selected + kernels::PaddedPoints(size_.points));
    const size_t row = b * queries_ + query;
    int64_t index[kMostNear];
    kernel_->distance_keys({points,
                            RunInput<float>(context, 0) + row * size_.channels,
                            1, 0, kernels::PaddedPoints(size_.points), keys});
    kernel_->select({keys, size_.points, near_, selected, index});
    float weight[kMostNear], sum = 0;
    for (size_t j = 0; j < near_; ++j) {
      weight[j] = 1 / (std::bit_cast<float>(keys[index[j]]) + 1e-8f);
      sum += weight[j];
    }
    const float* from =
        RunInput<float>(context, 2) + b * size_.points * features_;
    float* out = RunOutput<float>(context, 0) + row * features_;
    for (size_t c = 0; c < features_; ++c) {
      float y = 0;
      for (size_t j = 0; j < near_; ++j)
        y += from[static_cast<size_t>(index[j]) * features_ + c] *
             (weight[j] / sum);
      out[c] = CanonicalNan(y);
    }
  }

  CloudSize size_;
  size_t queries_ = 0, near_ = 0, features_ = 0;
  const kernels::PointsKernel* kernel_ = nullptr;
};

}  // namespace

constinit const OpInfo kThreeInterpolateOp =
    SimpleOpInfo("ThreeInterpolate", 3, 3, {}, &CreateOp<ThreeInterpolateOp>);

}  // namespace bittern::runtime
