// fp32 rows <-> multi-bit codes, one byte each: quantisers of
// base/byte_quantiser.h, optionally after LayerNorm, a clip, or GELU and a clip
// (no float is stored between them); levels back to fp32; and the row extremes
// that scales per token are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/base/byte_quantiser.h"
#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

// What happens to a value before it is quantised.
enum class ByteSource : uint8_t { kPlain, kLayerNorm, kClip, kGeluClip };

struct ByteArgs {
  const float* x = nullptr;  // rows of codes.cols floats
  ptrdiff_t x_stride = 0;    // bytes
  ByteSource source = ByteSource::kPlain;
  // kLayerNorm, over all columns.
  const float* gamma = nullptr;  // [cols]
  const float* beta = nullptr;   // [cols]
  float epsilon = 0;
  const float* lane_sums = nullptr;  // [rows][16] or null, as in norm.h
  // kClip, kGeluClip.
  float clip_lo = -std::numeric_limits<float>::infinity();
  float clip_hi = std::numeric_limits<float>::infinity();
  ByteQuantiser quantiser;
  CodeBytes codes{};
};

// out = fl(fl(v - zero) * scale), v the integer that a byte stands for.
struct ByteLevelArgs {
  CodeBytes codes;
  bool is_signed;  // int8 rather than uint8
  ScalePer per;
  const float* scale;
  const float* zero;  // or null: 0
  float* out;
  ptrdiff_t out_stride;  // bytes
};

struct FloatRows {
  const float* x;
  ptrdiff_t stride;  // bytes
  size_t cols;       // >= 1
};

struct ByteKernel {
  const char* name;
  void (*quantize)(const ByteArgs& args, size_t row, size_t rows) noexcept;
  void (*dequantize)(const ByteLevelArgs& args, size_t row,
                     size_t rows) noexcept;
  // lo[r], hi[r]: the extremes of row r, both NaN if it has a NaN; -0 < +0.
  void (*row_range)(const FloatRows& x, float* lo, float* hi, size_t row,
                    size_t rows) noexcept;
  // out[r]: the largest |x| of row r, NaN if it has a NaN.
  void (*row_max_abs)(const FloatRows& x, float* out, size_t row,
                      size_t rows) noexcept;
  bool is_reference;
};

std::vector<const ByteKernel*> ByteKernels(
    const CpuFeatures& cpu);  // reference first
const ByteKernel* SelectBytes(const CpuFeatures& cpu);

}  // namespace bittern::kernels
