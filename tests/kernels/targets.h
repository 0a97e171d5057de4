// What every kernel test walks: the distinct kernels of a family over all
// targets that this CPU has.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::test {

template <class Kernel>
struct TargetKernel {
  const Kernel* kernel;
  std::string name;  // "norm/hwy on avx2"
  bool exact;  // the target has fused multiply-add: equal to the reference bit
               // for bit
};

// `list` is the family's function, e.g. NormKernels. The reference comes out
// once, under the first target.
template <class Kernel>
std::vector<TargetKernel<Kernel>> KernelsOnTargets(
    std::vector<const Kernel*> (*list)(const kernels::CpuFeatures&)) {
  std::vector<TargetKernel<Kernel>> all;
  for (const std::string_view target : kernels::TargetNames()) {
    kernels::CpuFeatures cpu;
    if (!kernels::CapCpu(kernels::DetectCpu(), target, &cpu)) continue;
    for (const Kernel* kernel : list(cpu)) {
      const auto same = [&](const auto& other) {
        return other.kernel == kernel;
      };
      if (std::any_of(all.begin(), all.end(), same)) continue;
#if defined(__aarch64__)
      const bool fused = true;  // Highway compiles NEON alone
#else
      const bool fused = target != "scalar" && target != "sse4";
#endif
      all.push_back({kernel,
                     std::string(kernel->name) + " on " + std::string(target),
                     fused || kernel->is_reference});
    }
  }
  return all;
}

// Equality of bits, so that NaN equals the same NaN and -0 differs from +0.
inline bool SameBits(float a, float b) {
  return std::memcmp(&a, &b, sizeof(float)) == 0;
}

}  // namespace bittern::test
