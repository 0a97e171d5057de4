// Depthwise convolution kernels as data: every channel has its own filter,
//   strip[r][c] = sum over (kh, kw) of x[window of pixel r][c] * w[c][kh][kw]
// channels in lanes, straight from an NHWC image. Padding taps count as zeros
// (bytes: the pad byte), so that the result is that of gathered windows.
// Kernels are listed in depthwise_kernels.inc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

struct ConvGeometry;
struct ConvImage;

// Strip elements are float for kF32 and int32_t for codes.
struct DepthwiseArgs {
  const ConvGeometry* geometry;  // groups == ic == oc
  const ConvImage* image;        // kNhwc; planes: one group of ic columns
  Operand activations;
  const void* filters;  // as pack_filters wrote them
  size_t pixel, count;  // output pixels
  void* strip;          // aligned to 64 bytes
  size_t strip_stride;  // elements, RoundUp(ic, 64)
};

struct DepthwiseKernel {
  const char* name;  // "f32/depthwise/avx2"
  uint32_t needs;    // CpuBit set
  // Largest number of taps for which no accumulator can overflow with these
  // operands; 0 if the kernel does not take them.
  size_t (*max_taps)(GemmTypes types) noexcept;
  size_t (*filter_bytes)(size_t taps, size_t channels) noexcept;
  // From the canonical form (code_matrix.h): rows [channels][taps].
  void (*pack_filters)(const CodeMatrix& weights, void* packed) noexcept;
  void (*run)(const DepthwiseArgs& args) noexcept;
  double mac_per_cycle;
  bool is_reference;
};

std::vector<const DepthwiseKernel*> DepthwiseKernels(
    const CpuFeatures& cpu);  // references first

}  // namespace bittern::kernels
