// KnnGraph: for each query the k nearest points of its cloud, nearest first,
// the first of equals; no matrix of all distances is made.
#include <algorithm>

#include "runtime/ops/cloud_lists.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/point_cloud.h"

namespace bittern::runtime {
namespace {

using kernels::kQueryBlock;

class KnnGraphOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY_ASSIGN(size_, CheckCloud(context, 0, "points", 0));
    BITTERN_TRY_ASSIGN(const CloudSize queries,
                       CheckQueries(context, 1, "queries", size_));
    queries_ = queries.points;
    BITTERN_TRY_ASSIGN(k_, CheckCount(context, "k", size_.points));
    return SetOutput(
        context, 0, DType::kI64,
        {static_cast<int64_t>(size_.batch), static_cast<int64_t>(queries_),
         static_cast<int64_t>(k_)});
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectPoints(context.cpu);
    context.scratch_shared = PlaneBytes(size_);
    context.scratch_per_thread =
        kernels::PaddedPoints(size_.points) *
        (kQueryBlock * sizeof(int32_t) + sizeof(uint64_t));
    lists_fit_ =
        queries_ == size_.points && CloudLists::Fits(size_.channels, k_);
    if (lists_fit_) {
      lists_ = CloudLists(size_.points, k_, context.cpu);
      context.scratch_per_thread =
          std::max(context.scratch_per_thread, lists_.ScratchBytes());
    }
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    auto* planes = reinterpret_cast<float*>(context.scratch_shared);
    const size_t blocks = kernels::CeilDiv(queries_, kQueryBlock);
    for (size_t b = 0; b < size_.batch; ++b) {
      const float* rows =
          RunInput<float>(context, 0) + b * size_.points * size_.channels;
      const kernels::PointPlanes points = FillPlanes(size_, rows, planes);
      if (lists_fit_ && rows == RunInput<float>(context, 1) +
                                    b * size_.points * size_.channels) {
        Lists(context, points, rows, b);
        continue;
      }
      context.pool->For(blocks, Grain(size_.points * kQueryBlock, 2),
                        [&](size_t part, size_t begin, size_t end) {
                          for (size_t i = begin; i < end; ++i)
                            Block(context, points, part, b, i * kQueryBlock);
                        });
    }
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  // Sample b, whose queries are its points.
  void Lists(const RunContext& context, const kernels::PointPlanes& points,
             const float* rows, size_t b) const {
    const size_t groups = kernels::CeilDiv(size_.points, kernels::kPointGroup);
    context.pool->For(
        groups, Grain(size_.points * kernels::kPointGroup, 2),
        [&](size_t part, size_t begin, size_t end) {
          lists_.Run(
              points, rows, begin * kernels::kPointGroup,
              std::min(end * kernels::kPointGroup, size_.points),
              context.scratch_thread + part * context.scratch_thread_stride,
              RunOutput<int64_t>(context, 0) + b * queries_ * k_);
        });
  }

  // Queries [first, first + kQueryBlock) of sample b.
  void Block(const RunContext& context, const kernels::PointPlanes& points,
             size_t part, size_t b, size_t first) const {
    const size_t stride = kernels::PaddedPoints(size_.points);
    auto* selected = reinterpret_cast<uint64_t*>(
        context.scratch_thread + part * context.scratch_thread_stride);
    auto* keys = reinterpret_cast<int32_t*>(selected + stride);
    const size_t count = std::min(kQueryBlock, queries_ - first);
    const size_t query = b * queries_ + first;
    kernel_->distance_keys(
        {points, RunInput<float>(context, 1) + query * size_.channels, count, 0,
         stride, keys});
    for (size_t q = 0; q < count; ++q) {
      kernel_->select({keys + q * stride, size_.points, k_, selected,
                       RunOutput<int64_t>(context, 0) + (query + q) * k_});
    }
  }

  CloudSize size_;
  size_t queries_ = 0, k_ = 0;
  const kernels::PointsKernel* kernel_ = nullptr;
  bool lists_fit_ = false;
  CloudLists lists_;
};

constexpr AttributeSpec kAttributes[] = {{"k", AttributeKind::kInt, true}};

}  // namespace

constinit const OpInfo kKnnGraphOp =
    SimpleOpInfo("KnnGraph", 2, 2, kAttributes, &CreateOp<KnnGraphOp>);

}  // namespace bittern::runtime
