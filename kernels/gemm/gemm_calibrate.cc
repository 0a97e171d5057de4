// Fits the model of gemm_cost.h to four timings of each kernel: two lengths of
// k give the loop's rate and the end of a tile, the packing alone gives
// per_lhs, one row gives one_row.
#include "kernels/gemm/gemm_calibrate.h"

#include <algorithm>
#include <chrono>

#include "kernels/base/peak.h"
#include "kernels/gemm/gemm_workload.h"

namespace bittern::kernels {
namespace {

constexpr size_t kRows = kWorkloadStripRows,
                 kChannels = 768;  // whole tiles of every kernel
constexpr size_t kShort = 192, kLong = 768;

// The first pair of types that the kernel takes, of those most worth knowing;
// kernels of 8 bits by 8 take all of them.
constexpr GemmTypes kTypes[] = {
    {Operand::kS8, Operand::kU8},
    {Operand::kBipolar, Operand::kSign},
    {Operand::kBipolar, Operand::kU2},
    {Operand::kTernary, Operand::kU2},
    {Operand::kTernary, Operand::kSign},
    {Operand::kS4, Operand::kU4},
    {Operand::kS4, Operand::kS8},
    {Operand::kTernary, Operand::kS8},
    {Operand::kS8, Operand::kU4},
    {Operand::kF32, Operand::kF32},
    {Operand::kS4, Operand::kF32},
    {Operand::kS4, Operand::kF32, 32},
    {Operand::kBipolar, Operand::kF32, 0, false, true}};

const GemmTypes* TypesOf(const GemmKernel& kernel) {
  for (const GemmTypes& types : kTypes) {
    if (kernel.max_k(types) >= kLong) return &types;
  }
  return nullptr;
}

// Cycles of fn(), the least of many turns.
template <class Fn>
double Cycles(double seconds, Fn fn) {
  using Clock = std::chrono::steady_clock;
  double best = 0, total = 0;
  size_t turns = 1;
  for (bool first = true; first || total < seconds; first = false) {
    const Clock::time_point start = Clock::now();
    for (size_t i = 0; i < turns; ++i) fn();
    const double took =
        std::chrono::duration<double>(Clock::now() - start).count();
    total += took;
    const double one = took / static_cast<double>(turns);
    if (first || one < best) best = one;
    if (took < seconds / 50) turns *= 2;
  }
  return best * MeasuredGhz() * 1e9;
}

double ProductCycles(const GemmKernel& kernel, GemmTypes types, size_t rows,
                     size_t k, double seconds) {
  const GemmWorkload work(kernel, {types, rows, kChannels, k});
  work.PackLhs(0, rows);
  return Cycles(seconds, [&] {
    work.RunStrip(0, rows, [](size_t, size_t, size_t, const void*) {});
  });
}

GemmCost Calibrate(const GemmKernel& kernel, GemmTypes types, CpuClass cpu,
                   double seconds) {
  const double part = seconds / 4;
  const double passes =
      static_cast<double>(kernel.passes != nullptr ? kernel.passes(types) : 1);
  const double outputs = kRows * kChannels;
  const double brief = ProductCycles(kernel, types, kRows, kShort, part);
  const double full = ProductCycles(kernel, types, kRows, kLong, part);
  const double one = ProductCycles(kernel, types, 1, kLong, part);
  double per_lhs = 0;
  if (kernel.pack_lhs != nullptr) {
    const GemmWorkload work(kernel, {types, kRows, kChannels, kLong});
    per_lhs = Cycles(part, [&] { work.PackLhs(0, kRows); }) / (kRows * kLong);
  }
  const double rate =
      passes * outputs * (kLong - kShort) / std::max(full - brief, 1.0);
  const double per_output =
      std::max(0.0, brief / outputs - kShort * passes / rate);
  const double one_row =
      kLong * passes / std::max(one / kChannels - per_output, 1e-6);
  return {kernel.name,          cpu,     rate,
          per_output,           per_lhs, std::min(one_row, rate),
          CostSource::kMeasured};
}

}  // namespace

std::vector<GemmCost> CalibrateGemm(const CpuFeatures& cpu, double seconds) {
  std::vector<const GemmKernel*> kernels = GemmKernels(cpu);
  std::erase_if(kernels, [](const GemmKernel* kernel) {
    return IsReference(*kernel) || TypesOf(*kernel) == nullptr;
  });
  std::vector<GemmCost> costs;
  for (const GemmKernel* kernel : kernels) {
    costs.push_back(Calibrate(*kernel, *TypesOf(*kernel), cpu.cpu,
                              seconds / static_cast<double>(kernels.size())));
  }
  return costs;
}

}  // namespace bittern::kernels
