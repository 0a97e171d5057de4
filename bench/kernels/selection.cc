// What choosing by predicted cycles costs: for every pair of operand types and
// shape of gemm_cases.h, and every target, each kernel that could run is timed
// and the chosen one compared with the fastest. Ends with 1 if any choice loses
// more than 10 % twice: a noisy machine makes losses, but seldom the same ones.
//   bittern_bench_selection [TARGET] [--all]     --all also prints good choices
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "bench/kernels/gemm_cases.h"
#include "kernels/gemm/gemm_workload.h"

namespace bittern::bench {
namespace {

using kernels::CpuFeatures;
using kernels::GemmKernel;
using kernels::GemmQuery;

constexpr double kAllowedLoss = 0.10;
constexpr int kRounds = 9;
constexpr double kRoundSeconds = 0.002;

double Seconds(const kernels::GemmWorkload& work, size_t turns) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  for (size_t i = 0; i < turns; ++i) work.Run();
  return std::chrono::duration<double>(Clock::now() - start).count() /
         static_cast<double>(turns);
}

struct Timing {
  const GemmKernel* kernel;
  double seconds;
};

// Minima; the kernels take turns, so that a slow moment of the machine hits all
// alike.
std::vector<Timing> TimeAll(const GemmQuery& query, const CpuFeatures& cpu) {
  std::vector<Timing> timings;
  std::vector<kernels::GemmWorkload> work;
  std::vector<size_t> turns;
  for (const GemmKernel* kernel : kernels::GemmKernels(cpu)) {
    if (query.k > kernel->max_k(query.types) || IsReference(*kernel)) continue;
    timings.push_back({kernel, std::numeric_limits<double>::max()});
    work.emplace_back(*kernel, query);
    turns.push_back(static_cast<size_t>(
        std::max(1.0, kRoundSeconds / Seconds(work.back(), 1))));
  }
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < timings.size(); ++i) {
      timings[i].seconds =
          std::min(timings[i].seconds, Seconds(work[i], turns[i]));
    }
  }
  return timings;
}

struct Choice {
  Timing chosen, best;
  double Loss() const { return chosen.seconds / best.seconds - 1; }
};

// Of at least one timing.
Choice Compare(const std::vector<Timing>& timings, const GemmKernel* chosen) {
  const Timing best = *std::min_element(
      timings.begin(), timings.end(),
      [](const Timing& a, const Timing& b) { return a.seconds < b.seconds; });
  for (const Timing& timing : timings) {
    if (timing.kernel == chosen) return {timing, best};
  }
  return {best, best};
}

// The loss of the choice, and a line about it.
double Check(const GemmPair& pair, const GemmShape& shape,
             std::string_view target, const CpuFeatures& cpu, bool print_all) {
  const GemmQuery query{pair.types, shape.m, shape.n, shape.k};
  const std::vector<Timing> timings = TimeAll(query, cpu);
  if (timings.empty()) return 0;
  const GemmKernel* chosen = SelectGemm(query, cpu);
  Choice choice = Compare(timings, chosen);
  if (choice.Loss() > kAllowedLoss) {
    const Choice again = Compare(TimeAll(query, cpu), chosen);
    if (again.Loss() < choice.Loss()) choice = again;
  }
  if (print_all || choice.Loss() > kAllowedLoss) {
    std::printf(
        "%-8.*s %-6s %zux%zux%zu: chosen %s %.1f us, fastest %s %.1f us, "
        "loss %.1f %%\n",
        static_cast<int>(target.size()), target.data(), pair.name, shape.m,
        shape.n, shape.k, chosen->name, 1e6 * choice.chosen.seconds,
        choice.best.kernel->name, 1e6 * choice.best.seconds,
        100 * choice.Loss());
    std::fflush(stdout);
  }
  return choice.Loss();
}

int Main(std::string_view only, bool print_all) {
  double worst = 0;
  size_t choices = 0, bad = 0;
  for (std::string_view target : kernels::TargetNames()) {
    CpuFeatures cpu;
    if (!only.empty() && only != target) continue;
    if (!CapCpu(kernels::DetectCpu(), target, &cpu)) continue;
    for (const GemmPair& pair : kGemmPairs) {
      for (const GemmShape& shape : kGemmShapes) {
        const double loss = Check(pair, shape, target, cpu, print_all);
        worst = std::max(worst, loss);
        ++choices;
        bad += loss > kAllowedLoss ? 1 : 0;
      }
    }
  }
  std::printf("%zu choices, %zu lose more than %.0f %%, worst %.1f %%\n",
              choices, bad, 100 * kAllowedLoss, 100 * worst);
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace bittern::bench

int main(int argc, char** argv) {
  std::string_view only;
  bool print_all = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--all") == 0)
      print_all = true;
    else
      only = argv[i];
  }
  return bittern::bench::Main(only, print_all);
}
