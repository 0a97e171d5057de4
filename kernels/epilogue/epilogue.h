// Epilogues turn an L1-resident strip of GEMM accumulators into what the next
// op wants: floats, or three-valued codes. Listed in epilogue_kernels.inc.
// Element (r, j) of a strip is row row+r and channel col+j of the product.
// Float order (kernels/README.md "Float semantics"): y = fl(acc * scale[n]);
// then fl(y + bias[n]); then fl(residual + y).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

enum class EpilogueKind : uint8_t {
  kStoreI32,  // out_i32 = acc                                            int32
              // strip
  kScaleF32,  // out_f32 = [residual +] (acc * scale [+ bias])            int32
              // strip
  kFloatF32,  // out_f32 = [residual +] (acc [+ bias])                    float
              // strip
  kWindowSign,  // code = +1 if pos_lo <= acc <= pos_hi, -1 if neg_lo <= acc <=
                // neg_hi, else 0     int32 strip
  kGroupNormSign,  // y = acc * scale [+ bias]; LayerNorm over each group of
                   // columns; code = sign(fl(fl(y / a) + z))   int32 strip
};

// Immutable after planning except for the pointers set per run (residual,
// out_*, codes).
struct EpilogueArgs {
  const float* scale = nullptr;     // [n]
  const float* bias = nullptr;      // [n] or null
  const float* residual = nullptr;  // [m][n] or null
  ptrdiff_t residual_stride = 0;    // bytes
  float* out_f32 = nullptr;
  int32_t* out_i32 = nullptr;
  ptrdiff_t out_stride = 0;  // bytes, of out_f32 / out_i32
  CodePlanes codes{};  // output planes; valid_count must have been zeroed by
                       // the caller before the first strip of a row
  // kWindowSign: closed integer intervals per channel, each [n]; an empty
  // interval has lo > hi.
  const int32_t* pos_lo = nullptr;
  const int32_t* pos_hi = nullptr;
  const int32_t* neg_lo = nullptr;
  const int32_t* neg_hi = nullptr;
  // kGroupNormSign: codes.group columns per group; gamma/beta [group] shared by
  // all groups; a/z [cols / group].
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float epsilon = 0;
  const float* a = nullptr;
  const float* z = nullptr;
};

// Code-writing kinds need col % 64 == 0 inside a group, and for kGroupNormSign
// whole groups per strip: col and cols are multiples of codes.group. Planners
// that cannot give that (cols of a strip not a multiple of the group) widen the
// strip to all columns. Every bit of the words covered is written (padding bits
// of a group's last word = 0); valid_count[row] += non-zero codes.
struct EpilogueStrip {
  const void* strip;
  ptrdiff_t stride;  // bytes
  size_t row, rows;
  size_t col, cols;  // only real channels: col + cols <= n
};

using EpilogueFn = void (*)(const EpilogueArgs& args,
                            const EpilogueStrip& strip) noexcept;

struct EpilogueKernel {
  const char* name;  // "scale_f32/hwy"
  EpilogueKind kind;
  EpilogueFn run;
  bool is_reference;
};

std::vector<const EpilogueKernel*> EpilogueKernels(
    const CpuFeatures& cpu);  // reference first
const EpilogueKernel* SelectEpilogue(EpilogueKind kind,
                                     const CpuFeatures& cpu);  // never null

}  // namespace bittern::kernels
