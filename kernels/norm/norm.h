// LayerNorm over contiguous rows (ONNX LayerNormalization-17, axis -1) and
// GroupNorm over contiguous groups of NCHW planes: float semantics in
// kernels/README.md.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

// y[r][i] = fma(fl(d_i * rstd), gamma[i], beta[i]); x and y rows are `cols`
// floats, contiguous; y may be x.
struct NormArgs {
  const float* x;
  const float* gamma;  // [cols]
  const float* beta;   // [cols]
  float epsilon;
  float* y;
  size_t cols;
  // [rows][16]: the lanes of each row's sum, as an epilogue leaves them; null:
  // summed here.
  const float* lane_sums = nullptr;
};

// A group is `channels` planes of `plane` floats, normalised as one row of
// channels * plane; gamma and beta belong to a channel.
struct GroupNormArgs {
  const float* x;
  const float* gamma;  // [groups of one image][channels]
  const float* beta;   // likewise
  float epsilon;
  float* y;         // may be x
  size_t groups;    // of one image
  size_t channels;  // of one group
  size_t plane;
};

struct NormKernel {
  const char* name;
  void (*layer_norm)(const NormArgs& args, size_t row, size_t rows) noexcept;
  // Groups [group, group + count) counted over all images.
  void (*group_norm)(const GroupNormArgs& args, size_t group,
                     size_t count) noexcept;
  // sum of one row in the virtual-lane order; the building block of
  // ReduceMean/ReduceSum over the last axis.
  float (*row_sum)(const float* x, size_t cols) noexcept;
  bool is_reference;
};

std::vector<const NormKernel*> NormKernels(
    const CpuFeatures& cpu);  // reference first
const NormKernel* SelectNorm(const CpuFeatures& cpu);

}  // namespace bittern::kernels
