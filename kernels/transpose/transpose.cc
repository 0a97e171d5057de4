// Walks transpose_kernels.inc: which kernels may run on a CPU, and the one to
// use.
#include "kernels/transpose/transpose.h"

#include "kernels/base/kernel_list.h"
#include "kernels/transpose/transpose_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<TransposeKernel> kFiles[] = {
#define BITTERN_TRANSPOSE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/transpose/transpose_kernels.inc"
#undef BITTERN_TRANSPOSE_KERNEL
};

}  // namespace

std::vector<const TransposeKernel*> TransposeKernels(const CpuFeatures& cpu) {
  return RunnableKernels<TransposeKernel>(kFiles, cpu);
}

const TransposeKernel* SelectTranspose(const CpuFeatures& cpu) {
  return TransposeKernels(cpu).back();
}

}  // namespace bittern::kernels
