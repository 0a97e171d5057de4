// Walks quantize_kernels.inc: which kernels may run on a CPU, and the one to
// use.
#include "kernels/quantize/quantize.h"

#include "kernels/base/kernel_list.h"
#include "kernels/quantize/quantize_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<QuantizeKernel> kFiles[] = {
#define BITTERN_QUANTIZE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/quantize/quantize_kernels.inc"
#undef BITTERN_QUANTIZE_KERNEL
};

}  // namespace

std::vector<const QuantizeKernel*> QuantizeKernels(const CpuFeatures& cpu) {
  return RunnableKernels<QuantizeKernel>(kFiles, cpu);
}

const QuantizeKernel* SelectQuantize(const CpuFeatures& cpu) {
  return QuantizeKernels(cpu).back();
}

}  // namespace bittern::kernels
