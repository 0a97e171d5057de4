// Times the loops of peak_loops.h.
#include "kernels/base/peak.h"

#include <algorithm>
#include <chrono>

#include "kernels/base/kernel_list.h"
#include "kernels/base/peak_loops.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<PeakLoop> kFiles[] = {
    {kNone, &HwyPeakLoops},
#if defined(__x86_64__)
    {kAvx2, &Avx2PeakLoops},
    {kAvx512 | kAvx512Vpopcntdq, &Avx512VpopcntdqPeakLoops},
#endif
};

double Seconds(const PeakLoop& loop, size_t iterations) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  loop.run(iterations);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Many short repetitions: long against the clock's resolution, short against a
// time slice of the scheduler.
double BestGmacs(const PeakLoop& loop, double seconds) {
  size_t iterations = 1000;
  double took = Seconds(loop, iterations);
  while (took < seconds / 100) {
    iterations *= 2;
    took = Seconds(loop, iterations);
  }
  double best = took, total = took;
  while (total < seconds * 0.9) {
    took = Seconds(loop, iterations);
    best = std::min(best, took);
    total += took;
  }
  return loop.macs * static_cast<double>(iterations) / best / 1e9;
}

}  // namespace

std::vector<Peak> MeasurePeaks(const CpuFeatures& cpu, double seconds) {
  const std::vector<const PeakLoop*> loops =
      RunnableKernels<PeakLoop>(kFiles, cpu);
  std::vector<Peak> peaks;
  for (const PeakLoop* loop : loops) {
    peaks.push_back(
        {loop->name, loop->target,
         BestGmacs(*loop, seconds / static_cast<double>(loops.size()))});
  }
  return peaks;
}

double BestPeak(const std::vector<Peak>& peaks, std::string_view family) {
  double best = 0;
  for (const Peak& peak : peaks) {
    const std::string_view name = peak.name;
    if (name.substr(0, name.find('/')) == family)
      best = std::max(best, peak.gmacs);
  }
  return best;
}

}  // namespace bittern::kernels
