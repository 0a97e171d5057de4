#include "runtime/ops/depthwise_f32.h"

#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/parallel.h"

namespace bittern::runtime {
namespace {

using kernels::ConvAxis;
using kernels::ConvKernel;
using kernels::ConvQuery;

ConvQuery QueryOf(const Window& window, size_t channels) {
  ConvQuery query;
  query.geometry = {AxisOf(window.h), AxisOf(window.w), channels, channels,
                    channels};
  return query;
}

// The kernel of this CPU, all null if there is none.
ConvKernel KernelOf(const ConvQuery& query, const kernels::CpuFeatures& cpu) {
  const ConvKernel best = kernels::SelectConv(query, cpu);
  return best.depthwise != nullptr ? best : ConvKernel{};
}

constexpr auto kFloatBytes = static_cast<ptrdiff_t>(sizeof(float));

// out[c][r] = in[r][c] of rows [begin, end).
void Turn(const kernels::TransposeKernel& kernel, const float* in,
          size_t in_stride, float* out, size_t out_stride, size_t begin,
          size_t end, size_t cols) {
  kernel.words({in + begin * in_stride,
                static_cast<ptrdiff_t>(in_stride) * kFloatBytes, out + begin,
                static_cast<ptrdiff_t>(out_stride) * kFloatBytes, end - begin,
                cols});
}

}  // namespace

bool DepthwiseF32::Takes(const Window& window, size_t channels,
                         const kernels::CpuFeatures& cpu) {
  return KernelOf(QueryOf(window, channels), cpu).depthwise != nullptr;
}

Result<void> DepthwiseF32::Prepare(PrepareContext& context,
                                   const Window& window, size_t batch,
                                   size_t channels) {
  const ConvQuery query = QueryOf(window, channels);
  const ConvKernel kernel = KernelOf(query, context.cpu);
  plan_ = kernels::PlanConv(
      query, kernel,
      *kernels::SelectEpilogue(kernels::EpilogueKind::kFloatF32, context.cpu));
  batch_ = batch;
  const size_t in = query.geometry.h.in * query.geometry.w.in;
  image_bytes_ = AlignUp64(in * channels * sizeof(float));
  context.scratch_shared = image_bytes_ + AlignUp64(query.geometry.Pixels() *
                                                    channels * sizeof(float));
  context.scratch_per_thread = AlignUp64(plan_.scratch_bytes);
  const InputInfo& filters = context.inputs[1];
  turn_ = kernels::SelectTranspose(context.cpu);
  BITTERN_TRY_ASSIGN(
      packed_, context.model.Packed(
                   filters.tensor, std::string("depthwise ") + kernel.name(),
                   plan_.filter_bytes, [&](void* out) {
                     kernels::PackFilters(plan_, filters.constant, out);
                   }));
  return {};
}

void DepthwiseF32::Image(const RunContext& context, const float* in,
                         float* out) const {
  const kernels::ConvGeometry& g = plan_.query.geometry;
  const size_t channels = g.ic, pixels = g.h.in * g.w.in;
  auto* nhwc = reinterpret_cast<float*>(context.scratch_shared);
  auto* result =
      reinterpret_cast<float*>(context.scratch_shared + image_bytes_);
  context.pool->For(
      channels, Grain(pixels, 1), [&](size_t, size_t begin, size_t end) {
        Turn(*turn_, in, pixels, nhwc, channels, begin, end, pixels);
      });
  kernels::ConvRun run{};
  run.image.data = nhwc;
  run.image.stride = static_cast<ptrdiff_t>(channels) * kFloatBytes;
  run.filters = packed_->data();
  run.epilogue.bias = RunInput<float>(context, 2);
  run.epilogue.out_f32 = result;
  run.epilogue.out_stride = static_cast<ptrdiff_t>(channels) * kFloatBytes;
  context.pool->For(
      g.Pixels(), Grain(channels * g.Taps(), 1),
      [&](size_t part, size_t begin, size_t end) {
        kernels::ConvRows(
            plan_, run, begin, end,
            context.scratch_thread + part * context.scratch_thread_stride);
      });
  context.pool->For(
      g.Pixels(), Grain(channels, 1), [&](size_t, size_t begin, size_t end) {
        Turn(*turn_, result, channels, out, g.Pixels(), begin, end, channels);
      });
}

void DepthwiseF32::Run(const RunContext& context) const noexcept {
  const kernels::ConvGeometry& g = plan_.query.geometry;
  for (size_t i = 0; i < batch_; ++i) {
    Image(context, RunInput<float>(context, 0) + i * g.ic * g.h.in * g.w.in,
          RunOutput<float>(context, 0) + i * g.oc * g.Pixels());
  }
}

std::string DepthwiseF32::Name() const {
  return std::string(plan_.kernel.name()) + " + " + plan_.epilogue->name;
}

}  // namespace bittern::runtime
