// BallQuery: for each centre the first `count` points, by index, whose squared
// distance is at most fl(radius * radius); where there are fewer, the first of
// them again, and 0 where there is none.
#include <algorithm>

#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/point_cloud.h"

namespace bittern::runtime {
namespace {

class BallQueryOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY_ASSIGN(size_, CheckCloud(context, 0, "points", 3));
    BITTERN_TRY_ASSIGN(const CloudSize centres,
                       CheckQueries(context, 1, "centres", size_));
    centres_ = centres.points;
    // As in the models: a ball may ask for more points than there are.
    BITTERN_TRY_ASSIGN(count_, CheckCount(context, "count", size_t{1} << 20));
    const float radius = context.Float("radius", 0);
    if (!(radius >= 0)) {
      return WrongAttribute(context, "radius", std::to_string(radius),
                            "0 or more");
    }
    // As numbers of Python are squared, and then compared with floats.
    square_ = static_cast<float>(static_cast<double>(radius) *
                                 static_cast<double>(radius));
    return SetOutput(
        context, 0, DType::kI64,
        {static_cast<int64_t>(size_.batch), static_cast<int64_t>(centres_),
         static_cast<int64_t>(count_)});
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectPoints(context.cpu);
    context.scratch_shared = PlaneBytes(size_);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    auto* planes = reinterpret_cast<float*>(context.scratch_shared);
    for (size_t b = 0; b < size_.batch; ++b) {
      const float* rows =
          RunInput<float>(context, 0) + b * size_.points * size_.channels;
      const kernels::PointPlanes points = FillPlanes(size_, rows, planes);
      context.pool->For(centres_, Grain(size_.points, 1),
                        [&](size_t, size_t begin, size_t end) {
                          for (size_t i = begin; i < end; ++i)
                            Ball(context, points, b * centres_ + i);
                        });
    }
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  void Ball(const RunContext& context, const kernels::PointPlanes& points,
            size_t centre) const {
    int64_t* out = RunOutput<int64_t>(context, 0) + centre * count_;
    const float* at = RunInput<float>(context, 1) + centre * size_.channels;
    const size_t found = kernel_->in_ball(points, at, square_, count_, out);
    std::fill(out + found, out + count_, found == 0 ? 0 : out[0]);
  }

  CloudSize size_;
  size_t centres_ = 0, count_ = 0;
  float square_ = 0;
  const kernels::PointsKernel* kernel_ = nullptr;
};

constexpr AttributeSpec kAttributes[] = {
    {"radius", AttributeKind::kFloat, true},
    {"count", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kBallQueryOp =
    SimpleOpInfo("BallQuery", 2, 2, kAttributes, &CreateOp<BallQueryOp>);

}  // namespace bittern::runtime
