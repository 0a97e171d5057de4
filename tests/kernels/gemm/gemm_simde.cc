// A second copy of each AVX-512 kernel over SIMDe, so that every x86 CPU runs
// its code.
#if defined(__x86_64__)
#include <immintrin.h>  // first: SIMDe then takes its types from it, where clang 19 would see them declared twice

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define BITTERN_SIMDE
#include "kernels/gemm/gemm_w1a1_avx512vpopcntdq.cc"

namespace bittern::kernels {

std::vector<const GemmKernel*> GemmSimdeKernels() {
  std::vector<const GemmKernel*> kernels;
  for (const GemmKernelList& list : {GemmW1A1Avx512VpopcntdqSimde()}) {
    for (const GemmKernel& kernel : list) kernels.push_back(&kernel);
  }
  return kernels;
}

}  // namespace bittern::kernels
#endif
