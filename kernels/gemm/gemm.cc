// Walks gemm_kernels.inc: which kernels may run on a CPU, and which one a
// product should use.
#include "kernels/gemm/gemm.h"

#include "kernels/base/kernel_list.h"
#include "kernels/gemm/gemm_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<GemmKernel> kFiles[] = {
#define BITTERN_GEMM_KERNEL(needs, Name) {needs, &Name},
#include "kernels/gemm/gemm_kernels.inc"
#undef BITTERN_GEMM_KERNEL
};

bool Matches(const GemmKernel& kernel, const GemmQuery& query) {
  return kernel.weights == query.weights &&
         kernel.activations == query.activations && query.k <= kernel.max_k;
}

}  // namespace

std::vector<const GemmKernel*> GemmKernels(const CpuFeatures& cpu) {
  return RunnableKernels<GemmKernel>(kFiles, cpu);
}

const GemmKernel* SelectGemm(const GemmQuery& query, const CpuFeatures& cpu) {
  const GemmKernel* best = nullptr;
  double best_cycles = 0;
  for (const GemmKernel* kernel : GemmKernels(cpu)) {
    if (!Matches(*kernel, query)) continue;
    const double cycles = kernel->cycles(query);
    if (best != nullptr && cycles >= best_cycles) continue;
    best = kernel;
    best_cycles = cycles;
  }
  return best;
}

bool IsReference(const GemmKernel& kernel) {
  for (const GemmKernel& reference : GemmReference(CpuFeatures{})) {
    if (&kernel == &reference) return true;
  }
  return false;
}

}  // namespace bittern::kernels
