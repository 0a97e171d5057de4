// Walks epilogue_kernels.inc: which epilogues may run on a CPU, and the one of
// a kind to use.
#include "kernels/epilogue/epilogue.h"

#include "kernels/base/kernel_list.h"
#include "kernels/epilogue/epilogue_kernels.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<EpilogueKernel> kFiles[] = {
#define BITTERN_EPILOGUE_KERNEL(needs, Name) {needs, &Name},
#include "kernels/epilogue/epilogue_kernels.inc"
#undef BITTERN_EPILOGUE_KERNEL
};

}  // namespace

std::vector<const EpilogueKernel*> EpilogueKernels(const CpuFeatures& cpu) {
  return RunnableKernels<EpilogueKernel>(kFiles, cpu);
}

const EpilogueKernel* SelectEpilogue(EpilogueKind kind,
                                     const CpuFeatures& cpu) {
  const EpilogueKernel* last = nullptr;
  for (const EpilogueKernel* kernel : EpilogueKernels(cpu)) {
    if (kernel->kind == kind) last = kernel;
  }
  return last;
}

}  // namespace bittern::kernels
