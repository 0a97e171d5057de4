// ConvLast: a float convolution that leaves channels last, of an image with
// channels last or first, by constant filters in the image's own order of taps.
// README.md has the definition; kernels/conv the ways to compute it. What Conv
// is between ops that want channels last: no Transposes around it.
#include <algorithm>

#include "kernels/conv/conv.h"
#include "runtime/ops/gemm_driver.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace bittern::runtime {
namespace {

class ConvLastOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override;
  Result<void> Prepare(PrepareContext& context) override;
  void Run(const RunContext& context) const noexcept override;
  std::string Kernel() const override {
    const char* windows = plan_.bands     ? "bands + "
                          : plan_.gathers ? "gather + "
                                          : "";
    return windows + (std::string(plan_.kernel.name()) + " + ") +
           plan_.epilogue->name;
  }
  OpCost Cost() const override {
    const auto k = static_cast<double>(geometry_.K()),
               filters = static_cast<double>(geometry_.oc);
    return {static_cast<double>(batch_ * geometry_.Pixels()) * filters * k, 32,
            32, filters * k * sizeof(float)};
  }

 private:
  Result<void> CheckFilters(const InferContext& context, int64_t channels,
                            int64_t groups) const;

  kernels::ConvGeometry geometry_;
  kernels::PixelLayout layout_ = kernels::PixelLayout::kNhwc;
  size_t batch_ = 0;
  kernels::ConvPlan plan_{};
  std::shared_ptr<const AlignedBuffer> packed_;
};

// [filters, channels of a group, h, w], or channels last as the image.
Result<void> ConvLastOp::CheckFilters(const InferContext& context,
                                      int64_t channels, int64_t groups) const {
  BITTERN_TRY(CheckType(context, 1, "w", kF32Only));
  const Shape& w = context.inputs[1].type.shape;
  if (context.inputs[1].constant == nullptr)
    return WrongInput(context, 1, "w", "a constant");
  if (w.rank() != 4) return WrongInput(context, 1, "w", "rank 4");
  const bool first = layout_ == kernels::PixelLayout::kNchw;
  if (groups >= 1 && w.Elements() > 0 && channels % groups == 0 &&
      w[0] % groups == 0 && w[first ? 1 : 3] == channels / groups) {
    return {};
  }
  return context.Fail("channels: got " + std::to_string(channels) +
                      ", filters " + ToString(w) + " and groups " +
                      std::to_string(groups) +
                      ", expected groups * filter channels = input channels");
}

Result<void> ConvLastOp::Infer(const InferContext& context) {
  BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
  const bool first = context.Int("channels_first", 0) != 0;
  layout_ = first ? kernels::PixelLayout::kNchw : kernels::PixelLayout::kNhwc;
  const Shape& x = context.inputs[0].type.shape;
  if (x.rank() != 4) return WrongInput(context, 0, "x", "rank 4");
  const Shape in = first ? x : Shape{x[0], x[3], x[1], x[2]};
  const int64_t groups = context.Int("groups", 1);
  BITTERN_TRY(CheckFilters(context, in[1], groups));
  const Shape& w = context.inputs[1].type.shape;
  if (Has(context, 2))
    BITTERN_TRY(CheckConstant(context, 2, "bias", DType::kF32, Shape{w[0]}));
  BITTERN_TRY_ASSIGN(
      const Window window,
      MakeWindow(context, in, w[first ? 2 : 1], w[first ? 3 : 2], false));
  batch_ = static_cast<size_t>(in[0]);
  geometry_ = {AxisOf(window.h), AxisOf(window.w), static_cast<size_t>(in[1]),
               static_cast<size_t>(w[0]), static_cast<size_t>(groups)};
  return SetOutput(context, 0, DType::kF32,
                   Shape{in[0], window.h.out, window.w.out, w[0]});
}

Result<void> ConvLastOp::Prepare(PrepareContext& context) {
  const kernels::ConvQuery query{geometry_, kernels::GemmTypes{}, layout_, 1};
  const kernels::ConvKernel kernel = kernels::SelectConv(query, context.cpu);
  if (kernel == kernels::ConvKernel{}) {
    return Unsupported(context.def.op + " '" + context.def.name + "': got " +
                       std::to_string(geometry_.K()) +
                       " weights a filter, more than any kernel takes");
  }
  plan_ = kernels::PlanConv(
      query, kernel,
      *kernels::SelectEpilogue(kernels::EpilogueKind::kFloatF32, context.cpu));
  context.scratch_per_thread = AlignUp64(plan_.scratch_bytes);
  const InputInfo& filters = context.inputs[1];
  const std::string layout = std::string("conv ") + kernel.name() + " f32 " +
                             std::to_string(geometry_.Taps()) + " " +
                             std::to_string(geometry_.ic) + " " +
                             std::to_string(geometry_.groups);
  BITTERN_TRY_ASSIGN(
      packed_, context.model.Packed(
                   filters.tensor, layout, plan_.filter_bytes, [&](void* out) {
                     kernels::PackFilters(plan_, filters.constant, out);
                   }));
  return {};
}

// Threads share whole output rows.
void ConvLastOp::Run(const RunContext& context) const noexcept {
  const size_t rows = geometry_.h.out, cols = geometry_.w.out,
               image = geometry_.h.in * geometry_.w.in * geometry_.ic;
  const bool first = layout_ == kernels::PixelLayout::kNchw;
  kernels::EpilogueArgs args;
  args.bias = RunInput<float>(context, 2);
  args.out_f32 = RunOutput<float>(context, 0);
  args.out_stride = static_cast<ptrdiff_t>(geometry_.oc * sizeof(float));
  context.pool->For(
      batch_ * rows, Grain(cols * geometry_.oc * geometry_.K(), 1),
      [&](size_t part, size_t begin, size_t end) {
        uint8_t* scratch =
            context.scratch_thread + part * context.scratch_thread_stride;
        while (begin < end) {
          const size_t index = begin / rows, row = begin % rows,
                       count = std::min(end - begin, rows - row);
          kernels::ConvRun run{
              {}, packed_->data(), args, index * geometry_.Pixels()};
          run.image.data = RunInput<float>(context, 0) + index * image;
          run.image.layout = layout_;
          run.image.stride = static_cast<ptrdiff_t>(
              (first ? geometry_.h.in * geometry_.w.in : geometry_.ic) *
              sizeof(float));
          kernels::ConvRows(plan_, run, row * cols, (row + count) * cols,
                            scratch);
          begin += count;
        }
      });
}

constexpr AttributeSpec kAttributes[] = {
    {"strides", AttributeKind::kInts, false},
    {"pads", AttributeKind::kInts, false},
    {"dilations", AttributeKind::kInts, false},
    {"groups", AttributeKind::kInt, false},
    {"channels_first", AttributeKind::kInt, false}};

}  // namespace

constinit const OpInfo kConvLastOp =
    SimpleOpInfo("ConvLast", 2, 3, kAttributes, &CreateOp<ConvLastOp>);

}  // namespace bittern::runtime
