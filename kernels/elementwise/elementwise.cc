// Walks elementwise_kernels.inc: which kernels may run on a CPU, and the one to
// use.
#include "kernels/elementwise/elementwise.h"

#include "kernels/base/kernel_list.h"
#include "kernels/elementwise/elementwise_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<ElementwiseKernel> kFiles[] = {
#define BITTERN_ELEMENTWISE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/elementwise/elementwise_kernels.inc"
#undef BITTERN_ELEMENTWISE_KERNEL
};

}  // namespace

std::vector<const ElementwiseKernel*> ElementwiseKernels(
    const CpuFeatures& cpu) {
  return RunnableKernels<ElementwiseKernel>(kFiles, cpu);
}

const ElementwiseKernel* SelectElementwise(const CpuFeatures& cpu) {
  return ElementwiseKernels(cpu).back();
}

}  // namespace bittern::kernels
