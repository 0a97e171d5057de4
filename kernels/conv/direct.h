// Direct 1-bit convolution kernels as data: they read the taps of a window
// where they lie, instead of gathered windows. Pixels whose windows lose the
// same taps to the padding run together over the taps that are left, so padding
// costs nothing and stays exact. Kernels are listed in direct_kernels.inc; one
// group of channels only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

struct GemmCost;

// One output pixel of a call.
struct DirectPixel {
  ptrdiff_t at;   // bytes from the image to the first tap
  int32_t valid;  // non-zero codes in the window
  uint32_t row;   // of the strip
};

// strip[row][j] = sum of code * filter over the taps, for each pixel and the nr
// channels j of one tile. Taps are rows x runs; a run is `steps` steps of
// k_step codes that follow one another in the image and in the packed filters.
struct DirectArgs {
  const uint8_t* image;    // sign plane, or what pack_image wrote
  ptrdiff_t valid_after;   // bytes from the sign to the validity plane
  bool masked;             // false: no zero in any window
  const uint8_t* filters;  // of the tile, at the first tap
  size_t rows, runs, steps;
  ptrdiff_t image_row, image_run;  // bytes between rows and runs
  size_t filter_row, filter_run;
  const DirectPixel* pixels;
  size_t count;         // of pixels, >= 1
  size_t cols;          // real channels of the tile
  int32_t* strip;       // aligned to 64 bytes
  size_t strip_stride;  // int32 elements, a multiple of 16
};

struct DirectKernel {
  const char* name;     // "w1a1/direct/avx512vpopcntdq"
  uint32_t needs;       // CpuBit set
  size_t nr;            // channels per tile, a multiple of 16
  size_t k_step;        // codes a step; every tap takes whole steps
  size_t step_bytes;    // of the image
  size_t filter_bytes;  // of a tile's filters for one step
  // Range: largest number of codes in a window.
  size_t max_k;
  // packed[tile][tap][step], from canonical bits [n][taps][ic] (rows padded to
  // a byte); zero past n.
  void (*pack_filters)(const void* canonical, size_t n, size_t taps, size_t ic,
                       void* packed) noexcept;
  // The image in another form, for pixels [pixel, pixel + count); null if
  // planes are read.
  size_t (*pixel_bytes)(size_t ic) noexcept;
  void (*pack_image)(const CodePlanes& planes, size_t pixel, size_t count,
                     void* packed) noexcept;
  void (*run)(const DirectArgs& args) noexcept;
  size_t n_unit;  // the work is that of channels rounded up to this
  // The GEMM kernel with the same inner loop: its costs hold (gemm_cost.h).
  std::string_view like;
  double run_cycles;  // measured on Zen 5: what a run adds, a pixel and tile
  bool is_reference;
};

std::vector<const DirectKernel*> DirectKernels(
    const CpuFeatures& cpu);  // reference first

// The cost line of the kernel that it is like; never null for a listed kernel.
const GemmCost* FindDirectCost(const DirectKernel& kernel, CpuClass cpu);

}  // namespace bittern::kernels
