// Resize of fp32 planes (NCHW) in two dimensions, as ONNX Resize-13: nearest
// and linear, by tables of source indices and weights that the plan makes once.
// Coordinates are computed in fp32, in the order that resize.cc shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

enum class ResizeCoordinates : uint8_t {
  kHalfPixel,
  kPytorchHalfPixel,  // as half_pixel, 0 where the output has one element
  kAlignCorners,
  kAsymmetric
};

enum class ResizeRounding : uint8_t {
  kPreferFloor,  // half a pixel: down
  kPreferCeil,
  kFloor,
  kCeil
};

struct ResizeAxis {
  size_t in, out;
  float scale;  // out / in, or as the graph gives it
  ResizeCoordinates coordinates;
};

// Entries of a table: one for each output, then zeros that round vectors up.
size_t ResizeEntries(size_t out);

// index[o]: the source of output o.
void MakeNearestTable(const ResizeAxis& axis, ResizeRounding rounding,
                      int32_t* index);

// Output o lies between sources lo[o] and hi[o], `weight` of the way.
struct LinearTable {
  const int32_t* lo;
  const int32_t* hi;
  const float* weight;
};
void MakeLinearTable(const ResizeAxis& axis, int32_t* lo, int32_t* hi,
                     float* weight);

struct ResizePlanes {
  const float* x;  // [planes][in_h][in_w]
  float* y;        // [planes][out_h][out_w]
  size_t in_h, in_w, out_h, out_w;
};

struct NearestArgs {
  ResizePlanes planes;
  const int32_t* rows;  // tables
  const int32_t* cols;
};

// y = fma(wy, fl(h1 - h0), h0), h = fma(wx, fl(b - a), a) of the two rows.
struct LinearArgs {
  ResizePlanes planes;
  LinearTable rows, cols;
  float* scratch;  // 2 * ResizeEntries(out_w) floats, aligned to 64 bytes
};

struct ResizeKernel {
  const char* name;
  void (*nearest)(const NearestArgs& args, size_t plane,
                  size_t planes) noexcept;
  void (*linear)(const LinearArgs& args, size_t plane, size_t planes) noexcept;
  bool is_reference;
};

std::vector<const ResizeKernel*> ResizeKernels(
    const CpuFeatures& cpu);  // reference first
const ResizeKernel* SelectResize(const CpuFeatures& cpu);

}  // namespace bittern::kernels
