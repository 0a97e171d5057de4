#if defined(__x86_64__)
#include "tests/kernels/simde.h"
// After the line above, which gives the intrinsics:
#include "kernels/attention/attention_codes_avx512vnni.cc"
#endif
