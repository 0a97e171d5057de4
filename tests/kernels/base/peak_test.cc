// The peak loops run on every target, give plausible rates and honour the cap.
#include "kernels/base/peak.h"

#include <catch2/catch.hpp>
#include <string>

namespace bittern::kernels {
namespace {

TEST_CASE("every target has its peaks") {
  for (std::string_view target : TargetNames()) {
    CpuFeatures cpu;
    if (!CapCpu(DetectCpu(), target, &cpu)) continue;
    const std::vector<Peak> peaks = MeasurePeaks(cpu, 0.02);
    for (const Peak& peak : peaks) {
      INFO(target << " " << peak.name << " " << peak.target);
      CHECK(peak.gmacs > 0.1);
      CHECK(peak.gmacs <
            1e5);  // a loop that the compiler dropped is "infinitely" fast
      CpuFeatures needed;
      if (target != "scalar") CHECK(CapCpu(cpu, peak.target, &needed));
    }
    if (target == "scalar")
      continue;  // no loop of its own; AArch64 has no Highway target below NEON
    CHECK(BestPeak(peaks, "f32") > 0);
    CHECK(BestPeak(peaks, "w1a1") > BestPeak(peaks, "f32"));
    CHECK(BestPeak(peaks, "w9a9") == 0);
  }
}

}  // namespace
}  // namespace bittern::kernels
