// How fast this core can go: the inner arithmetic of each kernel family in
// registers, without a load or a store. `bittern cpu` prints it and the benches
// state every kernel as a share of it.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

struct Peak {
  const char* name;    // family/technique, as kernel names begin: "f32/fma",
                       // "w1a1/popcount", "w1a1/lut"
  const char* target;  // of TargetNames()
  double gmacs;        // 10^9 multiply-accumulates per second, one thread
};

// Times every loop that `cpu` can run; takes about `seconds`. The best of
// several repetitions, so other work on the machine costs little.
std::vector<Peak> MeasurePeaks(const CpuFeatures& cpu, double seconds);

// The fastest of `peaks` for a family ("f32", "w1a1"); 0 if there is none.
double BestPeak(const std::vector<Peak>& peaks, std::string_view family);

// Clock of this core in GHz, measured once by a chain of dependent additions.
// Thread-safe.
double MeasuredGhz();

}  // namespace bittern::kernels
