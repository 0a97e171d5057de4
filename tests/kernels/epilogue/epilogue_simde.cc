// A second copy of the AVX-512 kernel over SIMDe, so that every x86 CPU runs
// its code.
#if defined(__x86_64__)
#include "tests/kernels/simde.h"
// After the line above, which gives the intrinsics:
#include "kernels/epilogue/epilogue_avx512.cc"
#endif
