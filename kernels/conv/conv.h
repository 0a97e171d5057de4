// Convolution as windows x filters: out[p][n] = sum_k window[p][k] * w[n][k]
// for output pixels p = (oy, ox) row-major and k = (kh, kw, ic) (NHWC images
// and planes) or (ic, kh, kw) (NCHW images), ic of one group. Windows are
// gathered a block of pixels at a time into scratch and multiplied by a GEMM
// kernel; an epilogue does the rest; or a direct kernel (direct.h) reads them
// in place. Padding is exact: taps outside the image are zeros (planes: neither
// sign nor valid), or the byte that stands for zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/base/cpu.h"
#include "kernels/base/types.h"
#include "kernels/conv/depthwise.h"
#include "kernels/conv/direct.h"
#include "kernels/conv/scaled.h"
#include "kernels/epilogue/epilogue.h"
#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

// One spatial dimension: output o sees inputs o * stride - pad + t * dilation,
// t < kernel. What windows reach past the end is padding too, so that any `out`
// is valid. All but pad are >= 1.
struct ConvAxis {
  size_t in = 1, out = 1;
  size_t kernel = 1, stride = 1, dilation = 1;
  size_t pad = 0;
};

// ic and oc count the channels of all groups and are multiples of groups.
struct ConvGeometry {
  ConvAxis h, w;
  size_t ic = 1, oc = 1, groups = 1;

  size_t Pixels() const { return h.out * w.out; }
  size_t GroupIn() const { return ic / groups; }
  size_t GroupOut() const { return oc / groups; }
  size_t Taps() const { return h.kernel * w.kernel; }
  size_t K() const { return Taps() * GroupIn(); }
  bool IsDepthwise() const { return groups > 1 && groups == ic && ic == oc; }
};

// Whether planes of an image have all columns in one group though the
// convolution has more: 1-bit depthwise kernels read them so.
inline bool PlanesInOneGroup(const ConvGeometry& g, GemmTypes types) {
  return g.groups == 1 ||
         (g.IsDepthwise() &&
          types == GemmTypes{Operand::kBipolar, Operand::kSign});
}

enum class PixelLayout : uint8_t { kNhwc, kNchw };

// One input image; which member counts follows from the activations' type.
struct ConvImage {
  // kSign: row = pixel, one group of columns for each group of the convolution,
  // or a single one (PlanesInOneGroup).
  CodePlanes planes{};
  // kF32: floats, aligned to 4; other codes: one byte each.
  const void* data = nullptr;
  PixelLayout layout = PixelLayout::kNhwc;
  // NHWC: bytes between pixels (pixels of all rows follow one another).
  // NCHW: bytes between channels, of h.in * w.in elements each.
  ptrdiff_t stride = 0;
  uint8_t pad = 0;  // the byte of padding taps: the code of zero
  // Where channels have their own: ic bytes in place of `pad`. NHWC bytes, one
  // group.
  const uint8_t* pads = nullptr;
};

// Gathers the windows of group `group` of output pixels [pixel, pixel + count)
// into rows [0, count) of `rows`: planes of K() columns in one group. Any
// number of channels; whole bytes are copied where GroupIn() % 8 == 0.
void GatherPlanes(const ConvGeometry& geometry, const CodePlanes& image,
                  size_t group, size_t pixel, size_t count,
                  const CodePlanes& rows) noexcept;

// The same for elements of 1 or 4 bytes: row r at rows + r * K() *
// element_bytes.
void GatherElements(const ConvGeometry& geometry, const ConvImage& image,
                    size_t element_bytes, size_t group, size_t pixel,
                    size_t count, void* rows) noexcept;

struct ConvQuery {
  ConvGeometry geometry;
  GemmTypes types;
  PixelLayout layout = PixelLayout::kNhwc;
  // Strips are whole multiples of this many columns, or all of them, as
  // code-writing epilogues need; 1 for the others.
  size_t unit = 1;
  // Byte codes whose channels have a scale each: float sums (scaled.h).
  bool scaled = false;
};

// How to compute a convolution: windows gathered for a GEMM kernel, a direct
// kernel, a depthwise one or one for scaled channels; the others are null. The
// results are the same bit for bit.
struct ConvKernel {
  const GemmKernel* gemm = nullptr;
  const DirectKernel* direct = nullptr;
  const DepthwiseKernel* depthwise = nullptr;
  // Codes of weights for floats: the kernel that packs the filters, which then
  // are unpacked once a run, for `gemm` of fp32; null if `gemm` packs them.
  const GemmKernel* weights = nullptr;
  const ScaledKernel* scaled = nullptr;

  const char* name() const {
    return direct != nullptr      ? direct->name
           : depthwise != nullptr ? depthwise->name
           : scaled != nullptr    ? scaled->name
                                  : gemm->name;
  }
  friend bool operator==(const ConvKernel&, const ConvKernel&) = default;
};

// Everything on `cpu` that takes the query, references first; for tests and
// benches.
std::vector<ConvKernel> ConvKernels(const ConvQuery& query,
                                    const CpuFeatures& cpu);

// Predicted cycles of a whole image on one core.
double PredictCycles(const ConvQuery& query, const ConvKernel& kernel,
                     CpuClass cpu);

// The one with the fewest predicted cycles; all members null where nothing
// takes the query.
ConvKernel SelectConv(const ConvQuery& query, const CpuFeatures& cpu);

// Everything that does not change from run to run; immutable, any number of
// threads may use it.
struct ConvPlan {
  ConvQuery query;
  ConvKernel kernel;
  const EpilogueKernel* epilogue;
  bool gathers;       // false: 1x1, stride 1, no padding: pixels are rows
  bool joins_groups;  // a strip holds all groups
  bool bands;  // in place of windows: padded image rows, which the kernel reads
               // by offsets
  size_t strip_cols, strip_rows;
  size_t block_rows;    // output pixels gathered at once, or image rows packed,
                        // or output rows of a band
  size_t filter_bytes;  // packed filters
  size_t group_bytes;   // those of one group, for a GEMM kernel
  size_t unpacked_bytes;  // what UnpackFilters writes; 0: it is not called
  size_t scratch_bytes;
  // Byte offsets into scratch; the strip comes first. A tile, windows, packed
  // windows and the GEMM kernel's own; row flags, pixels, runs and the packed
  // image of a direct kernel; or rows of quads, pads and lines.
  size_t part_at[4];
};

// `kernel` is one that ConvKernels lists for the query.
ConvPlan PlanConv(const ConvQuery& query, const ConvKernel& kernel,
                  const EpilogueKernel& epilogue);

// Packs the filters of all groups: `canonical` holds rows [oc][K()] of
// query.types.weights; `packed` filter_bytes bytes, aligned to 64.
void PackFilters(const ConvPlan& plan, const void* canonical,
                 void* packed) noexcept;

// Tiles [begin, end) of the gemm kernel's nr channels, of `packed`, as floats;
// `unpacked`: unpacked_bytes bytes, aligned to 64.
void UnpackFilters(const ConvPlan& plan, const void* packed, size_t begin,
                   size_t end, void* unpacked) noexcept;
size_t FilterTiles(const ConvPlan& plan);

struct ConvRun {
  ConvImage image;
  const void* filters;  // what PackFilters wrote, or UnpackFilters
  EpilogueArgs epilogue;
  size_t first_row = 0;  // row of the epilogue's matrices of output pixel 0
  // A second epilogue, or null, whose strips are what the first has written to
  // out_f32.
  const EpilogueKernel* second = nullptr;
  EpilogueArgs second_args{};
  const float* channel_scale = nullptr;  // [ic], if the query is `scaled`
};

// Output pixels [begin, end) of one image, all channels, on the calling thread.
// `scratch`: scratch_bytes bytes, aligned to 64. Counts of codes
// (epilogue.codes.valid_count) are zeroed here. Direct kernels like ranges of
// whole output rows best.
void ConvRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
              size_t end, void* scratch) noexcept;

}  // namespace bittern::kernels
