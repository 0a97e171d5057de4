// Walks attention_kernels.inc: which kernels may run on a CPU, and the one with
// the fewest predicted cycles.
#include "kernels/attention/attention.h"

#include "kernels/attention/attention_kernels.h"
#include "kernels/base/kernel_list.h"

namespace bittern::kernels {
namespace {

constexpr KernelFile<AttentionKernel> kFiles[] = {
#define BITTERN_ATTENTION_KERNEL(needs, Name) {needs, &Name},
#include "kernels/attention/attention_kernels.inc"
#undef BITTERN_ATTENTION_KERNEL
};

}  // namespace

std::vector<const AttentionKernel*> AttentionKernels(const CpuFeatures& cpu) {
  return RunnableKernels<AttentionKernel>(kFiles, cpu);
}

const AttentionKernel* SelectAttention(size_t tokens, size_t heads,
                                       size_t head_dim,
                                       const CpuFeatures& cpu) {
  const AttentionKernel* best = nullptr;
  for (const AttentionKernel* kernel : AttentionKernels(cpu)) {
    if (best == nullptr || kernel->cycles(tokens, heads, head_dim) <
                               best->cycles(tokens, heads, head_dim))
      best = kernel;
  }
  return best;
}

}  // namespace bittern::kernels
