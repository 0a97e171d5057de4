// Walks bytes_kernels.inc: which kernels may run on a CPU, and the one to use.
#include "kernels/quantize/bytes.h"

#include "kernels/base/kernel_list.h"
#include "kernels/quantize/bytes_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<ByteKernel> kFiles[] = {
#define BITTERN_BYTE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/quantize/bytes_kernels.inc"
#undef BITTERN_BYTE_KERNEL
};

}  // namespace

std::vector<const ByteKernel*> ByteKernels(const CpuFeatures& cpu) {
  return RunnableKernels<ByteKernel>(kFiles, cpu);
}

const ByteKernel* SelectBytes(const CpuFeatures& cpu) {
  return ByteKernels(cpu).back();
}

}  // namespace bittern::kernels
