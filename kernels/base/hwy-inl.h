// The only include of highway.h. Kernel files include it after
// foreach_target.h; it fixes the set of targets (design: AVX3_DL is left out
// because its attribute string is wrong in Highway 1.0.3; VPOPCNTDQ and VNNI
// code lives in raw-intrinsic files) and offers dispatch by value, without
// Highway's process-wide chosen target.
#include "hwy/base.h"
// A target before may have made it a hint (below).
#undef HWY_INLINE
#define HWY_INLINE inline __attribute__((always_inline))
#include "hwy/highway.h"

// Name of the target being compiled, in the words of cpu.h, for kernel names:
// "w1a1/popcount/" BITTERN_HWY_ISA.
#undef BITTERN_HWY_ISA
#if HWY_TARGET == HWY_AVX3
#define BITTERN_HWY_ISA "avx512"
#elif HWY_TARGET == HWY_AVX2
#define BITTERN_HWY_ISA "avx2"
#elif HWY_TARGET == HWY_SSE4
#define BITTERN_HWY_ISA "sse4"
#elif HWY_TARGET == HWY_SSSE3
#define BITTERN_HWY_ISA "ssse3"
#elif HWY_TARGET == HWY_NEON
#define BITTERN_HWY_ISA "neon"
#else
#define BITTERN_HWY_ISA "scalar"
#endif

// The scalar target is for CPUs older than SSE4.1: there it need be right, not
// fast. Small code keeps libbittern under its 2 MB: 0.4 MB of it were unrolled
// loops of Highway's emulated vectors, which BitternTargets.cmake leaves out.
// Inlining is a hint there, which saves 50 KB more. BITTERN_SMALL_SSE4, of a
// whole family (BitternTargets.cmake): small for SSE4 too, but inlined.
#if defined(__clang__) &&        \
    (HWY_TARGET == HWY_SCALAR || \
     (HWY_TARGET == HWY_SSE4 && defined(BITTERN_SMALL_SSE4)))
#undef HWY_BEFORE_NAMESPACE
#undef HWY_AFTER_NAMESPACE
#if HWY_TARGET == HWY_SCALAR
#undef HWY_INLINE
#define HWY_INLINE inline
#endif
// Some files have no code for this target.
#pragma clang diagnostic ignored "-Wpragma-clang-attribute"
// A pragma's string must stay one.
// clang-format off
#define BITTERN_PUSH_SMALL _Pragma("clang attribute push(__attribute__((minsize)), apply_to = function)")
#if HWY_TARGET == HWY_SCALAR
#define HWY_BEFORE_NAMESPACE() BITTERN_PUSH_SMALL static_assert(true)
#define HWY_AFTER_NAMESPACE() _Pragma("clang attribute pop") static_assert(true)
#else
#define HWY_BEFORE_NAMESPACE() HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR) BITTERN_PUSH_SMALL static_assert(true)
#define HWY_AFTER_NAMESPACE() _Pragma("clang attribute pop") HWY_POP_ATTRIBUTES static_assert(true)
#endif
// clang-format on
#endif

#ifndef BITTERN_KERNELS_BASE_HWY_INL_H_ONCE
#define BITTERN_KERNELS_BASE_HWY_INL_H_ONCE

// BITTERN_HWY_TABLE(List, cpu)(): calls the List() compiled for the best target
// that `cpu` allows. Needs HWY_EXPORT(List) in the same file.
#if HWY_IDE || ((HWY_TARGETS & (HWY_TARGETS - 1)) == 0)
#define BITTERN_HWY_TABLE(FUNC, cpu) \
  (static_cast<void>(cpu), *HWY_DISPATCH_TABLE(FUNC)[0])
#else
#define BITTERN_HWY_TABLE(FUNC, cpu)          \
  (*HWY_DISPATCH_TABLE(FUNC)[([&] {           \
    hwy::ChosenTarget bittern_chosen;         \
    bittern_chosen.Update((cpu).hwy_targets); \
    return bittern_chosen.GetIndex();         \
  }())])
#endif

#endif  // BITTERN_KERNELS_BASE_HWY_INL_H_ONCE
