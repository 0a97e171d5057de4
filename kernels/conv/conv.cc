// Plans of convolutions: how large strips and blocks are, what scratch holds.
#include "kernels/conv/conv.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/base/bits.h"
#include "kernels/base/check.h"
#include "kernels/conv/walk.h"

namespace bittern::kernels {
namespace {

constexpr size_t kStripBytes = 8 << 10;  // a quarter of a 32 KiB L1
// Floats of an output pixel that a strip writes in one go, if it has so many:
// 64 of them, four lines of memory here and there, go half as fast as images
// beyond L3 are walked in order.
constexpr size_t kWideCols = 256;
constexpr size_t kDirectStripBytes = 16 << 10;  // it reads little else from L1
constexpr size_t kBlockBytes = 48 << 10;      // of gathered windows: L2 at most
constexpr size_t kBandBytes = 64 << 10;       // of packed image rows
constexpr size_t kMostBandBytes = 256 << 10;  // for a single output row

// Columns of a strip: whole tiles and whole units, or all of them.
size_t StripCols(size_t n, size_t nr, size_t unit) {
  return std::min(std::lcm(nr, unit), RoundUp(n, nr));
}

const GemmKernel& PackerOf(const ConvKernel& kernel) {
  return kernel.weights != nullptr ? *kernel.weights : *kernel.gemm;
}

// As many whole `cols` as make a wide strip, where the epilogue writes floats.
size_t FloatCols(const ConvPlan& plan, size_t cols) {
  const EpilogueKind kind = plan.epilogue->kind;
  const bool floats =
      kind == EpilogueKind::kScaleF32 || kind == EpilogueKind::kFloatF32;
  if (!floats || cols >= kWideCols) return cols;
  return std::min(kWideCols / cols * cols,
                  RoundUp(plan.query.geometry.GroupOut(), cols));
}

// Kernels that unpack weights in every call like many rows better.
size_t GatherCols(const ConvPlan& plan) {
  const GemmKernel& gemm = *plan.kernel.gemm;
  const size_t cols =
      StripCols(plan.query.geometry.GroupOut(), gemm.nr, plan.query.unit);
  return gemm.strip_bytes != 0 ? cols : FloatCols(plan, cols);
}

// Lays parts out one after the other in scratch, each aligned to 64.
class Parts {
 public:
  size_t Take(size_t bytes) {
    const size_t begin = at_;
    at_ += RoundUp(bytes, 64);
    return begin;
  }
  size_t bytes() const { return at_; }

 private:
  size_t at_ = 0;
};

// Whether windows are read where they lie in padded rows; sets how many output
// rows a band is for.
bool PlanBands(ConvPlan& plan) {
  const ConvGeometry& g = plan.query.geometry;
  if (!plan.kernel.gemm->reads_offsets || !plan.gathers || g.groups != 1)
    return false;
  const size_t width = Reach(g.w, g.w.out), one = Reach(g.h, 1);
  if (width > kMostBandBytes / sizeof(float) / g.ic / one) return false;
  const size_t row = width * g.ic * sizeof(float);
  const size_t fit = kBandBytes / row;
  plan.block_rows =
      std::min(g.h.out, fit <= one ? size_t{1} : (fit - one) / g.h.stride + 1);
  return true;
}

void PlanGather(ConvPlan& plan) {
  const ConvQuery& q = plan.query;
  const ConvGeometry& g = q.geometry;
  const GemmKernel& gemm = *plan.kernel.gemm;
  const size_t n = g.GroupOut(), k = g.K();
  plan.gathers = NeedsGather(q);
  plan.joins_groups = g.groups > 1 && n % q.unit != 0;
  plan.strip_cols = plan.joins_groups ? RoundUp(g.oc, 16) : GatherCols(plan);
  const size_t row_bytes = plan.strip_cols * sizeof(int32_t);
  plan.strip_rows =
      std::max<size_t>(1, kStripBytes / row_bytes / gemm.mr) * gemm.mr;
  const bool planes = IsPlanes(q.types.activations);
  const size_t window_bytes =
      planes ? k / 4 + 16 : k * ElementBytes(q.types.activations);
  plan.block_rows =
      plan.joins_groups
          ? plan.strip_rows
          : std::max<size_t>(1, kBlockBytes / window_bytes / gemm.mr) * gemm.mr;
  plan.bands = PlanBands(plan);
  const GemmKernel& packer = PackerOf(plan.kernel);
  plan.group_bytes = RoundUp(packer.packed_rhs_bytes(q.types, n, k), 64);
  plan.unpacked_bytes = plan.kernel.weights != nullptr
                            ? RoundUp(n, gemm.nr) * k * sizeof(float)
                            : 0;
  plan.filter_bytes = g.groups * plan.group_bytes;
  Parts parts;
  parts.Take(plan.strip_rows * row_bytes);
  plan.part_at[kTile] = parts.Take(
      plan.joins_groups ? plan.strip_rows * gemm.nr * sizeof(int32_t) : 0);
  plan.part_at[kWindows] =
      parts.Take(!plan.gathers ? 0
                 : plan.bands  ? Reach(g.h, plan.block_rows) *
                                    Reach(g.w, g.w.out) * g.ic * sizeof(float)
                 : planes ? CodePlanesBytes(plan.block_rows, k, k)
                          : plan.block_rows * window_bytes);
  plan.part_at[kPacked] =
      parts.Take(plan.bands ? k * sizeof(uint32_t)
                 : gemm.packed_lhs_bytes != nullptr
                     ? gemm.packed_lhs_bytes(q.types, plan.block_rows, k)
                     : 0);
  plan.part_at[kGemm] = parts.Take(
      gemm.scratch_bytes != nullptr ? gemm.scratch_bytes(q.types, k) : 0);
  plan.scratch_bytes = parts.bytes();
}

void PlanDirect(ConvPlan& plan) {
  const ConvGeometry& g = plan.query.geometry;
  const DirectKernel& kernel = *plan.kernel.direct;
  plan.strip_cols = StripCols(g.oc, kernel.nr, plan.query.unit);
  const size_t row_bytes = plan.strip_cols * sizeof(int32_t);
  // Whole output rows where they fit: their pixels share taps.
  const size_t fit = std::max<size_t>(4, kDirectStripBytes / row_bytes);
  plan.strip_rows = fit >= g.w.out ? std::min(fit / g.w.out, g.h.out) * g.w.out
                                   : CeilDiv(g.w.out, CeilDiv(g.w.out, fit));
  const size_t steps = CeilDiv(g.ic, kernel.k_step);
  plan.filter_bytes = RoundUp(RoundUp(g.oc, kernel.nr) / kernel.nr * g.Taps() *
                                  steps * kernel.filter_bytes,
                              64);
  size_t image_bytes = 0;
  if (kernel.pack_image != nullptr) {
    const size_t row = g.w.in * DirectPixelBytes(kernel, g.ic),
                 window = (g.h.kernel - 1) * g.h.dilation + 1,
                 rows = std::max(window, kBandBytes / row);
    plan.block_rows = (rows - window) / g.h.stride + 1;
    image_bytes = std::min(rows, g.h.in) * row;
  }
  Parts parts;
  parts.Take(plan.strip_rows * row_bytes);
  plan.part_at[kRowFlags] = parts.Take(g.h.in);
  plan.part_at[kPixels] = parts.Take(plan.strip_rows * sizeof(DirectPixel));
  plan.part_at[kTapRuns] = parts.Take((plan.strip_rows + 1) * sizeof(TapRun));
  plan.part_at[kImage] = parts.Take(image_bytes);
  plan.scratch_bytes = parts.bytes();
}

void PlanDepthwise(ConvPlan& plan) {
  const ConvGeometry& g = plan.query.geometry;
  plan.strip_cols = RoundUp(g.oc, 64);
  const size_t row_bytes = plan.strip_cols * sizeof(int32_t);
  plan.strip_rows = std::max<size_t>(4, kStripBytes / row_bytes);
  plan.filter_bytes = plan.kernel.depthwise->filter_bytes(g.Taps(), g.ic);
  plan.scratch_bytes = plan.strip_rows * row_bytes;
}

void PlanScaled(ConvPlan& plan) {
  const ConvGeometry& g = plan.query.geometry;
  const ScaledKernel& kernel = *plan.kernel.scaled;
  const size_t quads = QuadsOf(g.w.kernel);
  plan.strip_cols =
      FloatCols(plan, StripCols(g.oc, kernel.nr, plan.query.unit));
  const size_t row_bytes = plan.strip_cols * sizeof(float);
  plan.strip_rows =
      std::max<size_t>(1, kStripBytes / row_bytes / kernel.mr) * kernel.mr;
  plan.filter_bytes = RoundUp(ScaledFilterBytes(g, kernel.nr), 64);
  Parts parts;
  parts.Take(plan.strip_rows * row_bytes);
  plan.part_at[kRing] = parts.Take(ScaledRingBytes(g));
  plan.part_at[kPads] = parts.Take(g.ic);
  plan.part_at[kLines] = parts.Take(g.h.kernel * quads * sizeof(void*));
  plan.scratch_bytes = parts.bytes();
}

}  // namespace

ConvPlan PlanConv(const ConvQuery& query, const ConvKernel& kernel,
                  const EpilogueKernel& epilogue) {
  BITTERN_DCHECK(TakesQuery(kernel, query));
  ConvPlan plan{};
  plan.query = query;
  plan.kernel = kernel;
  plan.epilogue = &epilogue;
  if (kernel.direct != nullptr) {
    PlanDirect(plan);
  } else if (kernel.depthwise != nullptr) {
    PlanDepthwise(plan);
  } else if (kernel.scaled != nullptr) {
    PlanScaled(plan);
  } else {
    PlanGather(plan);
  }
  return plan;
}

void PackFilters(const ConvPlan& plan, const void* canonical,
                 void* packed) noexcept {
  const ConvGeometry& g = plan.query.geometry;
  const GemmTypes types = plan.query.types;
  if (plan.kernel.direct != nullptr) {
    plan.kernel.direct->pack_filters(canonical, g.oc, g.Taps(), g.ic, packed);
    return;
  }
  if (plan.kernel.depthwise != nullptr) {
    plan.kernel.depthwise->pack_filters(
        {canonical, types.weights, g.oc, g.Taps()}, packed);
    return;
  }
  if (plan.kernel.scaled != nullptr) {
    PackScaledFilters(g, plan.kernel.scaled->nr,
                      {canonical, types.weights, g.oc, g.K()}, packed);
    return;
  }
  const size_t n = g.GroupOut();
  const size_t group_bytes = CanonicalBytes(types.weights, n, g.K());
  for (size_t group = 0; group < g.groups; ++group) {
    PackerOf(plan.kernel)
        .pack_rhs({static_cast<const uint8_t*>(canonical) + group * group_bytes,
                   types.weights, n, g.K()},
                  types.activations,
                  static_cast<uint8_t*>(packed) + group * plan.group_bytes);
  }
}

size_t FilterTiles(const ConvPlan& plan) {
  return CeilDiv(plan.query.geometry.oc, plan.kernel.gemm->nr);
}

void UnpackFilters(const ConvPlan& plan, const void* packed, size_t begin,
                   size_t end, void* unpacked) noexcept {
  const size_t k = plan.query.geometry.K(), nr = plan.kernel.gemm->nr;
  auto* out = static_cast<float*>(unpacked);
  for (size_t tile = begin; tile < end; ++tile) {
    plan.kernel.weights->unpack_rhs(plan.query.types, packed, k, tile,
                                    out + tile * k * nr);
  }
}

void RunEpilogues(const ConvPlan& plan, const ConvRun& run,
                  const EpilogueStrip& strip) noexcept {
  plan.epilogue->run(run.epilogue, strip);
  if (run.second == nullptr) return;
  const auto* floats =
      reinterpret_cast<const uint8_t*>(run.epilogue.out_f32) +
      static_cast<ptrdiff_t>(strip.row) * run.epilogue.out_stride +
      strip.col * sizeof(float);
  run.second->run(run.second_args, {floats, run.epilogue.out_stride, strip.row,
                                    strip.rows, strip.col, strip.cols});
}

void ConvRows(const ConvPlan& plan, const ConvRun& run, size_t begin,
              size_t end, void* scratch) noexcept {
  if (run.epilogue.codes.valid_count != nullptr) {
    std::memset(run.epilogue.codes.valid_count + run.first_row + begin, 0,
                (end - begin) * sizeof(int32_t));
  }
  if (plan.kernel.direct != nullptr) {
    DirectRows(plan, run, begin, end, scratch);
  } else if (plan.kernel.depthwise != nullptr) {
    DepthwiseRows(plan, run, begin, end, scratch);
  } else if (plan.kernel.scaled != nullptr) {
    ScaledRows(plan, run, begin, end, scratch);
  } else if (plan.bands) {
    BandRows(plan, run, begin, end, scratch);
  } else {
    GatherRows(plan, run, begin, end, scratch);
  }
}

}  // namespace bittern::kernels
