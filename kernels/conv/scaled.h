// Convolution of byte codes whose input channels have a scale each, as data:
//   strip[r][j] = one chain of fused multiply-adds over the channels c of
//                 float(S) * scale[c],
//   S = sum over the taps of (code - pad[c]) * w, an exact integer
// The taps of a channel share its scale, so only one float product is left of
// all of them. Codes come as quads: four neighbouring taps of a row of the
// window (the last ones padded with pad[c], whose weights are 0, but for one:
// minus the sum of that row, which takes pad[c] off every tap). Kernels are
// listed in scaled_kernels.inc; images are NHWC in one group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

struct ConvGeometry;

inline constexpr size_t kQuad = 4;

// Quads of a row of `taps` taps: one slot at least is left for the pad.
constexpr size_t QuadsOf(size_t taps) { return taps / kQuad + 1; }

struct ScaledArgs {
  // [lines]: quads of channel 0 for the first pixel; those of the other
  // channels follow. A line is quad l % QuadsOf(kw) of row l / QuadsOf(kw) of
  // the window.
  const uint8_t* const* quads;
  size_t lines;
  ptrdiff_t pixel;     // bytes from a pixel's quads to the next one's
  const float* scale;  // [channels]
  size_t channels;
  const int8_t* filters;  // of the tile
  size_t rows;            // pixels, >= 1
  float* strip;           // aligned to 64 bytes
  size_t strip_stride;    // floats
};

struct ScaledKernel {
  const char* name;   // "scaled/vnni/avx512vnni"
  uint32_t needs;     // CpuBit set
  size_t nr;          // channels per tile, multiple of 16
  size_t mr;          // pixels that one call handles best
  bool signed_quads;  // codes are int8 in quads, else uint8
  // out[i][t] = taps[t][i] ^ flip, t < 4, i < n.
  void (*make_quads)(const uint8_t* const* taps, uint8_t flip, size_t n,
                     uint8_t* out) noexcept;
  void (*run)(const ScaledArgs& args) noexcept;
  double mac_per_cycle;
  bool is_reference;
};

std::vector<const ScaledKernel*> ScaledKernels(
    const CpuFeatures& cpu);  // reference first

// Whether the kernels take these operands and this window: sums of its taps fit
// 16 bits, and sums of a row's weights 8.
bool TakesScaled(GemmTypes types, size_t kernel_h, size_t kernel_w) noexcept;

// Bytes of the quads of all rows that a window spans, for all output columns;
// 0 if they are 2^30 or more.
size_t ScaledRingBytes(const ConvGeometry& geometry) noexcept;

// packed[tile][channel][line][nr][4] (int8), from canonical rows [n][kh, kw,
// channel]; zero past n.
size_t ScaledFilterBytes(const ConvGeometry& geometry, size_t nr) noexcept;
void PackScaledFilters(const ConvGeometry& geometry, size_t nr,
                       const CodeMatrix& weights, void* packed) noexcept;

}  // namespace bittern::kernels
