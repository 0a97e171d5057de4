// The ways to walk output pixels and what they share with planning; private
// to this folder.
#pragma once

#include <cstddef>

#include "kernels/base/bits.h"
#include "kernels/conv/conv.h"

namespace bittern::kernels {

// Parts of scratch (ConvPlan::part_at).
enum GatherPart : size_t { kTile, kWindows, kPacked, kGemm };
constexpr size_t kOffsets = kPacked;  // of a band; its kernels pack nothing
enum DirectPart : size_t { kRowFlags, kPixels, kTapRuns, kImage };
enum ScaledPart : size_t { kRing, kPads, kLines };

// Pixels of one strip that lose the same taps to the padding.
struct TapRun {
  size_t h_begin, h_end, w_begin, w_end;  // taps in the image
  size_t first, count;                    // pixels
  bool masked;                            // some window has a zero code
};

inline bool IsPlanes(Operand activations) {
  return activations == Operand::kSign;
}

inline size_t ElementBytes(Operand activations) {
  return activations == Operand::kF32 ? sizeof(float) : 1;
}

// Bytes of one pixel of the image that a direct kernel reads.
inline size_t DirectPixelBytes(const DirectKernel& kernel, size_t ic) {
  return kernel.pixel_bytes != nullptr ? kernel.pixel_bytes(ic)
                                       : GroupWords(ic) * sizeof(uint64_t);
}

// Whether neighbouring taps of a window row follow one another without a gap in
// what a direct kernel reads.
inline bool JoinsTaps(const DirectKernel& kernel, size_t ic) {
  return CeilDiv(ic, kernel.k_step) * kernel.step_bytes ==
         DirectPixelBytes(kernel, ic);
}

// Inputs that `out` outputs of an axis look at, padding included.
inline size_t Reach(const ConvAxis& axis, size_t out) {
  return (out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
}

// Both epilogues of a strip, the second while its floats are in L1.
void RunEpilogues(const ConvPlan& plan, const ConvRun& run,
                  const EpilogueStrip& strip) noexcept;

bool NeedsGather(const ConvQuery& query);
bool TakesQuery(const ConvKernel& kernel, const ConvQuery& query);

void GatherRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                size_t end, void* scratch) noexcept;
void BandRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
              size_t end, void* scratch) noexcept;
void DirectRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                size_t end, void* scratch) noexcept;
void DepthwiseRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                   size_t end, void* scratch) noexcept;
void ScaledRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
                size_t end, void* scratch) noexcept;

}  // namespace bittern::kernels
