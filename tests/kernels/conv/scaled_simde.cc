// A second copy of the AVX-512 kernel for scaled channels over SIMDe, so that
// every x86 CPU runs its code.
#if defined(__x86_64__)
#include <immintrin.h>  // first: SIMDe then takes its types from it, where clang 19 would see them declared twice

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define BITTERN_SIMDE
#include "kernels/conv/scaled_avx512vnni.cc"
#endif
