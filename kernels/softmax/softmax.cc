// Walks softmax_kernels.inc: which kernels may run on a CPU, and the one to
// use.
#include "kernels/softmax/softmax.h"

#include "kernels/base/kernel_list.h"
#include "kernels/softmax/softmax_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<SoftmaxKernel> kFiles[] = {
#define BITTERN_SOFTMAX_KERNEL(needs, Name) {needs, &Name},
#include "kernels/softmax/softmax_kernels.inc"
#undef BITTERN_SOFTMAX_KERNEL
};

}  // namespace

std::vector<const SoftmaxKernel*> SoftmaxKernels(const CpuFeatures& cpu) {
  return RunnableKernels<SoftmaxKernel>(kFiles, cpu);
}

const SoftmaxKernel* SelectSoftmax(const CpuFeatures& cpu) {
  return SoftmaxKernels(cpu).back();
}

}  // namespace bittern::kernels
