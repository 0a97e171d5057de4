// Which kernels take a convolution, and which one to use: the cost table of the
// GEMM kernels, whose inner loops direct kernels share, and what gathering and
// walking add to it.
#include <string_view>

#include "kernels/base/bits.h"
#include "kernels/conv/walk.h"
#include "kernels/conv/window.h"
#include "kernels/gemm/gemm_cost.h"

namespace bittern::kernels {
namespace {

// Measured on Zen 5: cycles to gather 64 bits of each plane (or 16 bytes), a
// run of taps that is copied at once, and a window.
constexpr double kGatherWord = 3, kGatherRun = 10, kGatherWindow = 30;
// To make a float of a weight, into L2 or L3.
constexpr double kUnpackWeight = 0.25;
// A pixel of a direct kernel: finding its taps.
constexpr double kDirectPixel = 6;

bool IsPointwise(const ConvAxis& axis) {
  return axis.kernel == 1 && axis.stride == 1 && axis.pad == 0 &&
         axis.out == axis.in;
}

bool Takes(const DirectKernel& kernel, const ConvQuery& q) {
  return q.types == GemmTypes{Operand::kBipolar, Operand::kSign} &&
         q.geometry.groups == 1 && q.geometry.K() <= kernel.max_k;
}

bool Takes(const DepthwiseKernel& kernel, const ConvQuery& q) {
  return q.geometry.IsDepthwise() && q.layout == PixelLayout::kNhwc &&
         q.geometry.Taps() <= kernel.max_taps(q.types);
}

bool TakesScaled(const ConvQuery& q) {
  return q.scaled && q.geometry.groups == 1 && q.layout == PixelLayout::kNhwc &&
         TakesScaled(q.types, q.geometry.h.kernel, q.geometry.w.kernel) &&
         ScaledRingBytes(q.geometry) != 0;
}

// GEMM needs planes in the groups of the convolution.
bool Takes(const GemmKernel& kernel, const ConvQuery& q) {
  return q.geometry.K() <= kernel.max_k(q.types) &&
         !(q.geometry.groups > 1 && PlanesInOneGroup(q.geometry, q.types));
}

std::string_view IsaOf(const GemmKernel& kernel) {
  const std::string_view name = kernel.name;
  return name.substr(name.rfind('/') + 1);
}

double Count(size_t n) { return static_cast<double>(n); }

// Taps in the image, summed over the outputs of an axis.
double TapSum(const ConvAxis& axis) {
  size_t taps = 0;
  for (size_t o = 0; o < axis.out; ++o) {
    const TapRange range = TapsInside(axis, o);
    taps += range.end - range.begin;
  }
  return Count(taps);
}

double DirectCycles(const ConvGeometry& g, const DirectKernel& kernel,
                    CpuClass cpu) {
  const GemmCost& cost = *FindDirectCost(kernel, cpu);
  const double taps = TapSum(g.h) * TapSum(g.w), pixels = Count(g.Pixels()),
               channels = Count(RoundUp(g.oc, kernel.n_unit)),
               codes = Count(RoundUp(g.ic, kernel.k_step));
  // Taps of a window row follow one another only where they fill what a pixel
  // takes.
  const bool joined = g.w.dilation == 1 && JoinsTaps(kernel, g.ic);
  const double runs = joined ? taps / Count(g.w.kernel) : taps;
  const double tiles = Count(CeilDiv(g.oc, kernel.nr));
  return channels *
             (taps * codes / cost.mac_per_cycle + pixels * cost.per_output) +
         runs * tiles * kernel.run_cycles + pixels * kDirectPixel +
         Count(g.h.in * g.w.in * GroupWords(g.ic) * 64) * cost.per_lhs;
}

double GatherCycles(const ConvQuery& q, const GemmKernel& gemm, CpuClass cpu) {
  const ConvGeometry& g = q.geometry;
  double cycles = PredictCycles(gemm, *FindGemmCost(gemm, cpu),
                                {q.types, g.Pixels(), g.GroupOut(), g.K()});
  if (NeedsGather(q)) {
    const bool planes = IsPlanes(q.types.activations),
               nchw = q.layout == PixelLayout::kNchw;
    const size_t words =
        planes ? GroupWords(g.K())
               : CeilDiv(g.K() * ElementBytes(q.types.activations), 16);
    const bool joined =
        g.w.dilation == 1 &&
        (nchw || (g.groups == 1 && (!planes || g.ic % 64 == 0)));
    const size_t runs =
        (joined ? g.h.kernel : g.Taps()) * (nchw ? g.GroupIn() : 1);
    cycles += Count(g.Pixels()) * (kGatherWindow + kGatherRun * Count(runs) +
                                   kGatherWord * Count(words));
  }
  return cycles * Count(g.groups);
}

// Every fp32 kernel with the kernel of its instructions that packs codes.
void AddUnpacking(const ConvQuery& query, const CpuFeatures& cpu,
                  std::vector<ConvKernel>& kernels) {
  if (query.types.activations != Operand::kF32 || query.geometry.groups != 1)
    return;
  ConvQuery floats = query;
  floats.types = {Operand::kF32, Operand::kF32};
  for (const GemmKernel* weights : GemmKernels(cpu)) {
    if (weights->unpack_rhs == nullptr || !Takes(*weights, query)) continue;
    for (const GemmKernel* gemm : GemmKernels(cpu)) {
      if (gemm->nr == weights->nr && Takes(*gemm, floats) &&
          IsaOf(*gemm) == IsaOf(*weights)) {
        kernels.push_back({gemm, nullptr, nullptr, weights});
      }
    }
  }
}

}  // namespace

// A row of planes counts the codes of all groups, so groups are gathered.
bool NeedsGather(const ConvQuery& q) {
  const ConvGeometry& g = q.geometry;
  return !IsPointwise(g.h) || !IsPointwise(g.w) ||
         (IsPlanes(q.types.activations) && g.groups > 1) ||
         (!IsPlanes(q.types.activations) && q.layout == PixelLayout::kNchw);
}

const GemmCost* FindDirectCost(const DirectKernel& kernel, CpuClass cpu) {
  const GemmCost* generic = nullptr;
  for (const GemmCost& cost : GemmCosts()) {
    if (cost.kernel != kernel.like) continue;
    if (cost.cpu == cpu) return &cost;
    if (cost.cpu == CpuClass::kGeneric) generic = &cost;
  }
  return generic;
}

bool TakesQuery(const ConvKernel& kernel, const ConvQuery& query) {
  if (query.scaled != (kernel.scaled != nullptr)) return false;
  return kernel.scaled != nullptr      ? TakesScaled(query)
         : kernel.weights != nullptr   ? Takes(*kernel.weights, query)
         : kernel.direct != nullptr    ? Takes(*kernel.direct, query)
         : kernel.depthwise != nullptr ? Takes(*kernel.depthwise, query)
                                       : Takes(*kernel.gemm, query);
}

std::vector<ConvKernel> ConvKernels(const ConvQuery& query,
                                    const CpuFeatures& cpu) {
  std::vector<ConvKernel> kernels;
  if (query.scaled) {
    if (!TakesScaled(query)) return {};
    for (const ScaledKernel* scaled : ScaledKernels(cpu))
      kernels.push_back({nullptr, nullptr, nullptr, nullptr, scaled});
    return kernels;
  }
  for (const GemmKernel* gemm : GemmKernels(cpu)) {
    if (Takes(*gemm, query)) kernels.push_back({gemm, nullptr, nullptr});
  }
  AddUnpacking(query, cpu, kernels);
  for (const DirectKernel* direct : DirectKernels(cpu)) {
    if (Takes(*direct, query)) kernels.push_back({nullptr, direct, nullptr});
  }
  for (const DepthwiseKernel* depthwise : DepthwiseKernels(cpu)) {
    if (Takes(*depthwise, query))
      kernels.push_back({nullptr, nullptr, depthwise});
  }
  return kernels;
}

double PredictCycles(const ConvQuery& query, const ConvKernel& kernel,
                     CpuClass cpu) {
  const ConvGeometry& g = query.geometry;
  if (kernel.direct != nullptr) return DirectCycles(g, *kernel.direct, cpu);
  if (kernel.depthwise != nullptr) {
    return Count(g.Pixels() * g.ic * g.Taps()) /
           kernel.depthwise->mac_per_cycle;
  }
  if (kernel.scaled != nullptr) {
    return Count(g.Pixels() * g.K() * RoundUp(g.oc, kernel.scaled->nr)) /
           kernel.scaled->mac_per_cycle;
  }
  const double unpacking =
      kernel.weights != nullptr ? Count(g.oc * g.K()) * kUnpackWeight : 0;
  return GatherCycles(query, *kernel.gemm, cpu) + unpacking;
}

ConvKernel SelectConv(const ConvQuery& query, const CpuFeatures& cpu) {
  ConvKernel best;
  double best_cycles = 0;
  for (const ConvKernel& kernel : ConvKernels(query, cpu)) {
    const double cycles = PredictCycles(query, kernel, cpu.cpu);
    if (best != ConvKernel{} && cycles >= best_cycles) continue;
    best = kernel;
    best_cycles = cycles;
  }
  return best;
}

}  // namespace bittern::kernels
