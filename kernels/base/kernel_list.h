// Walks a family's x_kernels.inc: every family lists its kernel files as {CPU
// bits needed, function returning descriptors}.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

template <class Kernel>
struct KernelFile {
  uint32_t needs;  // CpuBit set
  std::span<const Kernel> (*list)(const CpuFeatures& cpu);
};

// Every kernel that may run on `cpu`, in the order of the list.
template <class Kernel>
std::vector<const Kernel*> RunnableKernels(
    std::span<const KernelFile<Kernel>> files, const CpuFeatures& cpu) {
  std::vector<const Kernel*> kernels;
  for (const KernelFile<Kernel>& file : files) {
    if (!cpu.Has(file.needs)) continue;
    for (const Kernel& kernel : file.list(cpu)) kernels.push_back(&kernel);
  }
  return kernels;
}

}  // namespace bittern::kernels
