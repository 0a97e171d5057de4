// Walks gemm_kernels.inc: which kernels may run on a CPU, and which one a
// product should use.
#include "kernels/gemm/gemm.h"

#include "kernels/base/kernel_list.h"
#include "kernels/gemm/gemm_cost.h"
#include "kernels/gemm/gemm_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<GemmKernel> kFiles[] = {
#define BITTERN_GEMM_KERNEL(needs, Name) {needs, &Name},
#include "kernels/gemm/gemm_kernels.inc"
#undef BITTERN_GEMM_KERNEL
};

}  // namespace

std::vector<const GemmKernel*> GemmKernels(const CpuFeatures& cpu) {
  return RunnableKernels<GemmKernel>(kFiles, cpu);
}

const GemmKernel* SelectGemm(const GemmQuery& query, const CpuFeatures& cpu) {
  if (query.types.group != 0 && query.types.activations != Operand::kF32) {
    return nullptr;
  }
  const GemmKernel* best = nullptr;
  double best_cycles = 0;
  for (const GemmKernel* kernel : GemmKernels(cpu)) {
    const size_t max_k = kernel->max_k(query.types);
    if (max_k == 0 || query.k > max_k) continue;
    const double cycles =
        PredictCycles(*kernel, *FindGemmCost(*kernel, cpu.cpu), query);
    if (best != nullptr && cycles >= best_cycles) continue;
    best = kernel;
    best_cycles = cycles;
  }
  return best;
}

size_t MaxK(GemmTypes types, unsigned bits) noexcept {
  const int64_t product = int64_t{RangeOf(types.weights).MaxAbs()} *
                          RangeOf(types.activations).MaxAbs();
  return product == 0
             ? 0
             : static_cast<size_t>(((int64_t{1} << (bits - 1)) - 1) / product);
}

bool TakesGroups(Operand type) noexcept {
  return IsByteCode(type) && StepOf(type) == 1;
}

bool IsReference(const GemmKernel& kernel) {
  for (const GemmKernel& reference : GemmReference(CpuFeatures{})) {
    if (&kernel == &reference) return true;
  }
  return false;
}

}  // namespace bittern::kernels
