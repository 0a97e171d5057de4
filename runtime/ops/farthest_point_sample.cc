// FarthestPointSample: `count` points of each cloud, the first `start`, each
// other the farthest from those chosen before; the first of equals.
#include "runtime/ops/op_registry.h"
#include "runtime/ops/point_cloud.h"

namespace bittern::runtime {
namespace {

class FarthestPointSampleOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY_ASSIGN(size_, CheckCloud(context, 0, "points", 3));
    BITTERN_TRY_ASSIGN(count_, CheckCount(context, "count", size_.points));
    const int64_t start = context.Int("start", 0);
    if (start < 0 || static_cast<uint64_t>(start) >= size_.points) {
      return WrongAttribute(context, "start", std::to_string(start),
                            "0 to " + std::to_string(size_.points - 1));
    }
    start_ = static_cast<size_t>(start);
    return SetOutput(
        context, 0, DType::kI64,
        {static_cast<int64_t>(size_.batch), static_cast<int64_t>(count_)});
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectPoints(context.cpu);
    context.scratch_per_thread =
        PlaneBytes(size_) + kernels::PaddedPoints(size_.points) * sizeof(float);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    context.pool->For(
        size_.batch, 1, [&](size_t part, size_t begin, size_t end) {
          auto* planes = reinterpret_cast<float*>(
              context.scratch_thread + part * context.scratch_thread_stride);
          for (size_t b = begin; b < end; ++b) {
            const float* rows =
                RunInput<float>(context, 0) + b * size_.points * size_.channels;
            kernel_->farthest({FillPlanes(size_, rows, planes), start_, count_,
                               planes + PlaneBytes(size_) / sizeof(float),
                               RunOutput<int64_t>(context, 0) + b * count_});
          }
        });
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  CloudSize size_;
  size_t count_ = 0, start_ = 0;
  const kernels::PointsKernel* kernel_ = nullptr;
};

constexpr AttributeSpec kAttributes[] = {{"count", AttributeKind::kInt, true},
                                         {"start", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kFarthestPointSampleOp = SimpleOpInfo(
    "FarthestPointSample", 1, 1, kAttributes, &CreateOp<FarthestPointSampleOp>);

}  // namespace bittern::runtime
