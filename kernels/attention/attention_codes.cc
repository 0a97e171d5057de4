// Walks attention_codes_kernels.inc: which kernels may run on a CPU, and the
// one with the fewest predicted cycles.
#include "kernels/attention/attention_codes.h"

#include "kernels/attention/attention_codes_kernels.h"
#include "kernels/base/kernel_list.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<CodeAttentionKernel> kFiles[] = {
#define BITTERN_CODE_ATTENTION_KERNEL(needs, Name) {needs, &Name},
#include "kernels/attention/attention_codes_kernels.inc"
#undef BITTERN_CODE_ATTENTION_KERNEL
};

}  // namespace

std::vector<const CodeAttentionKernel*> CodeAttentionKernels(
    const CpuFeatures& cpu) {
  return RunnableKernels<CodeAttentionKernel>(kFiles, cpu);
}

const CodeAttentionKernel* SelectCodeAttention(const CodeAttentionQuery& query,
                                               const CpuFeatures& cpu) {
  const CodeAttentionKernel* best = nullptr;
  for (const CodeAttentionKernel* kernel : CodeAttentionKernels(cpu)) {
    if (!kernel->supports(query)) continue;
    if (best == nullptr || kernel->cycles(query) < best->cycles(query))
      best = kernel;
  }
  return best;
}

}  // namespace bittern::kernels
