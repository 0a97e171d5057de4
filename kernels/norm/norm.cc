// Walks norm_kernels.inc: which kernels may run on a CPU, and the one to use.
#include "kernels/norm/norm.h"

#include "kernels/base/kernel_list.h"
#include "kernels/norm/norm_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<NormKernel> kFiles[] = {
#define BITTERN_NORM_KERNEL(needs, Name) {needs, &Name},
#include "kernels/norm/norm_kernels.inc"
#undef BITTERN_NORM_KERNEL
};

}  // namespace

std::vector<const NormKernel*> NormKernels(const CpuFeatures& cpu) {
  return RunnableKernels<NormKernel>(kFiles, cpu);
}

const NormKernel* SelectNorm(const CpuFeatures& cpu) {
  return NormKernels(cpu).back();
}

}  // namespace bittern::kernels
