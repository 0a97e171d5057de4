#if defined(__x86_64__)
#include "tests/kernels/simde.h"
// After the line above, which gives the intrinsics:
#include "kernels/gemm/gemm_lut_avx512vbmi.cc"
#endif
