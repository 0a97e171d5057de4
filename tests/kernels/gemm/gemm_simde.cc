// The copies of the AVX-512 kernels that are compiled over SIMDe
// (simde_*.cc).
#if defined(__x86_64__)
#include <vector>

#include "kernels/gemm/gemm.h"

namespace bittern::kernels {

GemmKernelList GemmBitserialAvx512VpopcntdqSimde();
GemmKernelList GemmLutAvx512VbmiSimde();
GemmKernelList GemmW1A1Avx512VpopcntdqSimde();
GemmKernelList GemmW8A8Avx512VnniSimde();

std::vector<const GemmKernel*> GemmSimdeKernels() {
  std::vector<const GemmKernel*> kernels;
  for (const auto list :
       {&GemmBitserialAvx512VpopcntdqSimde, &GemmLutAvx512VbmiSimde,
        &GemmW1A1Avx512VpopcntdqSimde, &GemmW8A8Avx512VnniSimde}) {
    for (const GemmKernel& kernel : list()) kernels.push_back(&kernel);
  }
  return kernels;
}

}  // namespace bittern::kernels
#endif
