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
    {kAvx2 | kAvxVnni, &AvxVnniPeakLoops},
    {kAvx512 | kAvx512Vpopcntdq, &Avx512VpopcntdqPeakLoops},
    {kAvx512 | kAvx512Vnni, &Avx512VnniPeakLoops},
    {kAvx512 | kAvx512Vbmi, &Avx512VbmiPeakLoops},
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

// A chain of dependent additions runs at one a cycle on every core we know.
double MeasureGhz() {
  using Clock = std::chrono::steady_clock;
  constexpr int kTurns = 100000;
  double best = 0;
  for (int repetition = 0; repetition < 50; ++repetition) {
    uint64_t x = 1;
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < kTurns; ++i) {
#if defined(__aarch64__)
      asm volatile(
          "add %0, %0, #1\nadd %0, %0, #1\nadd %0, %0, #1\nadd %0, %0, #1"
          : "+r"(x));
#else
      asm volatile("add $1, %0\nadd $1, %0\nadd $1, %0\nadd $1, %0" : "+r"(x));
#endif
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    best = std::max(best, 4.0 * kTurns / took.count());
  }
  return best;
}

}  // namespace

double MeasuredGhz() {
  static const double ghz = MeasureGhz();
  return ghz;
}

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
