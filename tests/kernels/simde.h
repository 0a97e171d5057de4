// Before a raw AVX-512 kernel file: compiles that file over SIMDe, so that
// every x86 CPU runs its code. One kernel file per source file: their names are
// alike.
#pragma once

#include <immintrin.h>  // first: SIMDe then takes its types from it, where clang 19 would see them declared twice

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define BITTERN_SIMDE
