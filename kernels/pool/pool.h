// Max and average pooling. fp32 tensors are planes (NCHW: lanes are output
// columns of a plane) or pixels (NHWC: lanes are channels); codes are rows of
// channels (CodeBytes: a row is a pixel), as the convolutions that read them
// want. The average of codes is no code, so bytes only have a maximum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

// Window o covers [o * stride - pad_before, ... + kernel) of the input's [0,
// in); padding never wins a maximum and adds nothing to a sum. Every window
// touches the input.
struct PoolAxis {
  size_t in, out, kernel, stride;
  size_t pad_before, pad_after;
};

struct PlanePoolArgs {
  const float* x;  // [planes][h.in][w.in]
  float* y;        // [planes][h.out][w.out]
  PoolAxis h, w;
  bool count_padding;  // in the average: of windows inside input and padding
  float* scratch;      // PoolScratch floats, aligned to 64 bytes
};

// Floats for the lines of a window, split by column mod stride.
size_t PoolScratch(const PoolAxis& h, const PoolAxis& w);

struct PixelPoolArgs {
  const float* x;  // [images][h.in][w.in][channels]
  float* y;        // [images][h.out][w.out][channels]
  PoolAxis h, w;
  bool count_padding;
  size_t channels;
};

struct BytePoolArgs {
  CodeBytes x;  // rows: images * h.in * w.in
  CodeBytes y;  // rows: images * h.out * w.out
  PoolAxis h, w;
  bool is_signed;  // int8 rather than uint8
};

struct PoolKernel {
  const char* name;
  // The largest value of each window, taken in row-major order: -0 stays if it
  // comes before +0; NaN if there is one.
  void (*max_planes)(const PlanePoolArgs& args, size_t plane,
                     size_t planes) noexcept;
  // fl(sum / count), summed from +0 in row-major order.
  void (*average_planes)(const PlanePoolArgs& args, size_t plane,
                         size_t planes) noexcept;
  // The same values, of output pixels [pixel, pixel + pixels), counted over all
  // images.
  void (*max_pixels)(const PixelPoolArgs& args, size_t pixel,
                     size_t pixels) noexcept;
  void (*average_pixels)(const PixelPoolArgs& args, size_t pixel,
                         size_t pixels) noexcept;
  // Rows of output pixels [row, row + rows), counted over all images.
  void (*max_bytes)(const BytePoolArgs& args, size_t row, size_t rows) noexcept;
  bool is_reference;
};

std::vector<const PoolKernel*> PoolKernels(
    const CpuFeatures& cpu);  // reference first
const PoolKernel* SelectPool(const CpuFeatures& cpu);

// The part of window o inside the input, and inside input and padding together.
struct PoolSpan {
  size_t begin, end;
  size_t padded_count;
};

inline PoolSpan SpanOf(const PoolAxis& axis, size_t o) {
  // One past the window and the padded input, from pad_before left of 0.
  const size_t start = o * axis.stride, stop = start + axis.kernel;
  const size_t last = axis.pad_before + axis.in;
  const size_t all = last + axis.pad_after;
  return {start > axis.pad_before ? start - axis.pad_before : 0,
          (stop < last ? stop : last) - axis.pad_before,
          (stop < all ? stop : all) - start};
}

}  // namespace bittern::kernels
