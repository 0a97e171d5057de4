// Epilogues turn an L1-resident strip of GEMM accumulators into what the next
// op wants: floats, three-valued planes or multi-bit bytes. Listed in
// epilogue_kernels.inc. Element (r, j) of a strip is row row+r and channel
// col+j of the product. Order of the operations (kernels/README.md "Float
// semantics"): integer corrections; scale; bias; the steps; the residual; the
// quantiser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/byte_quantiser.h"
#include "kernels/base/cpu.h"
#include "kernels/base/types.h"

namespace bittern::kernels {

struct ByteKernel;  // quantize/bytes.h

// "i32": an int32 strip, acc' = acc [+ correction[n]] [+ row_term[m] *
// column_term[n]]. "float": the finished value of the float kinds,
//   v = acc' * (scale[n] [* row_scale[m]])   int32 strip, scale not null
//   v = acc [* scale[n]]                     float strip
// then [+ bias[n]], the steps, [residual + v].
enum class EpilogueKind : uint8_t {
  kStoreI32,    // out_i32 = acc, uncorrected                         i32 strip
  kScaleF32,    // out_f32 = float                                    i32 strip
  kFloatF32,    // out_f32 = float                                  float strip
  kScaleBytes,  // bytes = quantiser(float)                           i32 strip
  kFloatBytes,  // likewise                                         float strip
  kScaleSign,   // planes: code = sign(fl(fl(float / a) + z))         i32 strip
  kFloatSign,   // likewise                                         float strip
  kThresholdBytes,  // code = lo + number of thresholds[t][n] below (acc' ^
                    // flip[n])                                       i32 strip
  kWindowSign,  // code = +1 if pos_lo <= acc <= pos_hi, -1 if neg_lo <= acc <=
                // neg_hi, else 0; uncorrected                        i32 strip
  kGroupNormSign,   // y = acc * scale [+ bias]; LayerNorm over each group of
                    // columns; code = sign(fl(fl(y / a) + z))         i32 strip
  kGroupNormBytes,  // y = acc' * scale [+ bias]; LayerNorm likewise;
                    // bytes = quantiser(y)                           i32 strip
  kCount
};

// One step between the bias and the residual. RPReLU is kAdd of -gamma, kPRelu,
// kAdd of zeta.
struct EpilogueStep {
  enum class Kind : uint8_t {
    kMul,       // fl(v * values[n])
    kAdd,       // fl(v + values[n])
    kResidual,  // fl(residual + v), here instead of at the end
    kRelu,
    kGelu,
    kClip,   // to [lo, hi]
    kPRelu,  // v < 0: fl(v * values[n])
  };
  Kind kind;
  const float* values = nullptr;  // [n]
  float lo = 0, hi = 0;
};

// The windows of kWindowSign where all of them are half-lines, as a layer's
// usually are (MakeHalfLines): side above if acc > above[n], below if acc <
// below[n]; code +1 above and -1 below, exchanged where the channel's bit of
// `swap` is set. Bits of `swap` lie as in a row of the output planes.
struct HalfLines {
  const int32_t* above = nullptr;  // [n]
  const int32_t* below = nullptr;  // [n]
  const uint64_t* swap = nullptr;  // [codes.row_words]
};

inline constexpr size_t kMaxNormGroup = 2048;

// Immutable after planning except for the pointers set per run (residual,
// row_scale, row_term, lane_sums, out_*, codes, bytes).
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
  HalfLines half_lines{};  // the same windows once more, or null
  // kGroupNormSign: codes.group columns per group, kGroupNormBytes: norm_group;
  // gamma/beta [group] shared by all groups; a/z [cols / group], of the other
  // sign kinds too.
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float epsilon = 0;
  size_t norm_group = 0;                   // <= kMaxNormGroup
  const ByteKernel* norm_bytes = nullptr;  // of kGroupNormBytes: SelectBytes
  const float* a = nullptr;
  const float* z = nullptr;
  // Zero points, exact in int32: acc' stays in its range.
  const int32_t* correction = nullptr;   // [n] or null
  const int32_t* row_term = nullptr;     // [m] or null
  const int32_t* column_term = nullptr;  // [n], with row_term
  const float* row_scale = nullptr;      // [m] or null
  const EpilogueStep* steps = nullptr;
  size_t step_count = 0;
  // [m][16] or null, of kScaleF32 and kFloatF32: += the finished row in its 16
  // virtual lanes, for the LayerNorm that follows. Zeroed by the caller; strips
  // of a row come in ascending order and start at multiples of 16.
  float* lane_sums = nullptr;
  // Of kScaleF32 and kFloatF32, where codes.sign is not null (one group of all
  // columns): also planes, code = sign(fl(v + sign_shift[n])), v the finished
  // value.
  const float* sign_shift = nullptr;  // [n], or null: sign(v)
  // Bytes; the quantiser's columns are channels, its rows those of the product.
  ByteQuantiser quantiser;
  CodeBytes bytes{};
  // kThresholdBytes, with lo, step and offset of the quantiser.
  const int32_t* thresholds = nullptr;  // [threshold_count][channels]
  const int32_t* flip = nullptr;        // [channels]: 0 or -1
  size_t threshold_count = 0;           // <= 255
  size_t channels = 0;
};

// What writes planes needs col % 64 == 0 inside a group, and kGroupNormSign and
// kGroupNormBytes whole groups per strip: col and cols are multiples of the
// group. Planners that cannot give that (cols of a strip not a multiple of the
// group) widen the strip to all columns. Every bit of the words covered is
// written (padding bits of a group's last word = 0); valid_count[row] +=
// non-zero codes.
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

// Finds the half-lines of windows on accumulators of at most `limit` in
// magnitude, into arrays of n values and RowWords(n, group) words; false if a
// window is none (then the arrays are worth nothing).
bool MakeHalfLines(const EpilogueArgs& windows, size_t n, size_t group,
                   int32_t limit, int32_t* above, int32_t* below,
                   uint64_t* swap);

}  // namespace bittern::kernels
