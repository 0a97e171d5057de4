// A depthwise convolution of floats in NCHW by the kernels of kernels/conv,
// which have channels in lanes: the image is turned to NHWC, and the result
// back. Both copies are memory bound and cost less than gathering windows of
// one channel each.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/conv/conv.h"
#include "kernels/transpose/transpose.h"
#include "runtime/ops/op.h"
#include "runtime/ops/window.h"

namespace bittern::runtime {

class DepthwiseF32 {
 public:
  // Whether there is a kernel for it; `channels` in and out.
  static bool Takes(const Window& window, size_t channels,
                    const kernels::CpuFeatures& cpu);

  // Packs input 1, constant filters [channels][1][kh][kw], and asks for
  // scratch.
  Result<void> Prepare(PrepareContext& context, const Window& window,
                       size_t batch, size_t channels);
  bool prepared() const { return packed_ != nullptr; }
  void Run(const RunContext& context) const noexcept;
  std::string Name() const;

 private:
  void Image(const RunContext& context, const float* in, float* out) const;

  kernels::ConvPlan plan_{};
  size_t batch_ = 0;
  size_t image_bytes_ = 0;  // of the NHWC image; the result lies behind it
  const kernels::TransposeKernel* turn_ = nullptr;
  std::shared_ptr<const AlignedBuffer> packed_;
};

}  // namespace bittern::runtime
