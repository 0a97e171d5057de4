// MaxPool and AveragePool: windows over each channel of NCHW, or of NHWC with
// channels_last (kernels/pool).
#pragma once

#include <algorithm>

#include "kernels/pool/pool.h"
#include "runtime/ops/infer.h"
#include "runtime/ops/op_registry.h"
#include "runtime/ops/parallel.h"
#include "runtime/ops/window.h"

namespace bittern::runtime {

inline constexpr AttributeSpec kPoolAttributes[] = {
    {"kernel", AttributeKind::kInts, true},
    {"strides", AttributeKind::kInts, false},
    {"pads", AttributeKind::kInts, false},
    {"ceil_mode", AttributeKind::kInt, false},
    {"count_include_pad", AttributeKind::kInt, false},
    {"channels_last", AttributeKind::kInt, false}};

template <bool kMax>
class PoolOp final : public Op {
 public:
  Result<void> Infer(const InferContext& context) override {
    BITTERN_TRY(CheckType(context, 0, "x", kF32Only));
    const Shape& x = context.inputs[0].type.shape;
    last_ = context.Int("channels_last", 0) != 0;
    const Shape in = last_ && x.rank() == 4 ? Shape{x[0], x[3], x[1], x[2]} : x;
    const auto kernel = context.Ints("kernel");
    if (kernel.size() != 2)
      return WrongAttribute(context, "kernel",
                            std::to_string(kernel.size()) + " values", "2");
    BITTERN_TRY_ASSIGN(const Window window,
                       MakeWindow(context, in, kernel[0], kernel[1],
                                  context.Int("ceil_mode", 0) != 0));
    for (const WindowAxis& axis : {window.h, window.w}) {
      if (axis.pad_before >= axis.kernel || axis.pad_after >= axis.kernel) {
        return WrongAttribute(
            context, "pads",
            std::to_string(std::max(axis.pad_before, axis.pad_after)),
            "less than the kernel, " + std::to_string(axis.kernel));
      }
    }
    h_ = AxisOf(window.h);
    w_ = AxisOf(window.w);
    count_padding_ = context.Int("count_include_pad", 0) != 0;
    images_ = static_cast<size_t>(in[0]);
    channels_ = static_cast<size_t>(in[1]);
    return SetOutput(context, 0, DType::kF32,
                     last_ ? Shape{in[0], window.h.out, window.w.out, in[1]}
                           : Shape{in[0], in[1], window.h.out, window.w.out});
  }

  Result<void> Prepare(PrepareContext& context) override {
    kernel_ = kernels::SelectPool(context.cpu);
    if (!last_)
      context.scratch_per_thread = kernels::PoolScratch(h_, w_) * sizeof(float);
    return {};
  }

  void Run(const RunContext& context) const noexcept override {
    last_ ? RunPixels(context) : RunPlanes(context);
  }

  std::string Kernel() const override { return kernel_->name; }

 private:
  void RunPixels(const RunContext& context) const {
    const kernels::PixelPoolArgs args{RunInput<float>(context, 0),
                                      RunOutput<float>(context, 0),
                                      h_,
                                      w_,
                                      count_padding_,
                                      channels_};
    context.pool->For(
        images_ * h_.out * w_.out, Grain(channels_ * h_.kernel * w_.kernel, 1),
        [&](size_t, size_t begin, size_t end) {
          const auto run = kMax ? kernel_->max_pixels : kernel_->average_pixels;
          run(args, begin, end - begin);
        });
  }

  void RunPlanes(const RunContext& context) const {
    const size_t work = h_.out * w_.out * h_.kernel * w_.kernel;
    context.pool->For(
        images_ * channels_, Grain(work, 1),
        [&](size_t part, size_t begin, size_t end) {
          const kernels::PlanePoolArgs args{
              RunInput<float>(context, 0),
              RunOutput<float>(context, 0),
              h_,
              w_,
              count_padding_,
              reinterpret_cast<float*>(context.scratch_thread +
                                       part * context.scratch_thread_stride)};
          const auto run = kMax ? kernel_->max_planes : kernel_->average_planes;
          run(args, begin, end - begin);
        });
  }

  static kernels::PoolAxis AxisOf(const WindowAxis& axis) {
    return {static_cast<size_t>(axis.in),
            static_cast<size_t>(axis.out),
            static_cast<size_t>(axis.kernel),
            static_cast<size_t>(axis.stride),
            static_cast<size_t>(axis.pad_before),
            static_cast<size_t>(axis.pad_after)};
  }

  kernels::PoolAxis h_{}, w_{};
  bool count_padding_ = false, last_ = false;
  size_t images_ = 0, channels_ = 0;
  const kernels::PoolKernel* kernel_ = nullptr;
};

template <bool kMax>
constexpr OpInfo PoolOpInfo(const char* name) {
  return SimpleOpInfo(name, 1, 1, kPoolAttributes, &CreateOp<PoolOp<kMax>>);
}

}  // namespace bittern::runtime
