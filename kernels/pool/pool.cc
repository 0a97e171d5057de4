// Walks pool_kernels.inc: which kernels may run on a CPU, and the one to use.
#include "kernels/pool/pool.h"

#include "kernels/base/bits.h"
#include "kernels/base/kernel_list.h"
#include "kernels/pool/pool_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<PoolKernel> kFiles[] = {
#define BITTERN_POOL_KERNEL(needs, Name) {needs, &Name},
#include "kernels/pool/pool_kernels.inc"
#undef BITTERN_POOL_KERNEL
};

}  // namespace

// For each line of a window and each column mod stride, the outputs' columns
// and those that the kernel reaches beyond; and a line of counts.
size_t PoolScratch(const PoolAxis& h, const PoolAxis& w) {
  return h.kernel * w.stride * PoolPhaseWidth(w) + RoundUp(w.out, 16);
}

std::vector<const PoolKernel*> PoolKernels(const CpuFeatures& cpu) {
  return RunnableKernels<PoolKernel>(kFiles, cpu);
}

const PoolKernel* SelectPool(const CpuFeatures& cpu) {
  return PoolKernels(cpu).back();
}

}  // namespace bittern::kernels
