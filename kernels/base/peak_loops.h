// The loops behind peak.h, one list per instruction set; private to this
// folder.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/base/cpu.h"

namespace bittern::kernels {

struct PeakLoop {
  const char* name;
  const char* target;
  double macs;  // per iteration
  void (*run)(size_t iterations) noexcept;
};

std::span<const PeakLoop> HwyPeakLoops(const CpuFeatures& cpu);
#if defined(__x86_64__)
std::span<const PeakLoop> Avx2PeakLoops(const CpuFeatures& cpu);  // needs kAvx2
std::span<const PeakLoop> AvxVnniPeakLoops(
    const CpuFeatures& cpu);  // needs kAvxVnni
std::span<const PeakLoop> Avx512VpopcntdqPeakLoops(
    const CpuFeatures& cpu);  // needs kAvx512Vpopcntdq
std::span<const PeakLoop> Avx512VnniPeakLoops(
    const CpuFeatures& cpu);  // needs kAvx512Vnni
std::span<const PeakLoop> Avx512VbmiPeakLoops(
    const CpuFeatures& cpu);  // needs kAvx512Vbmi
#endif

// Makes the compiler believe that it changed the vector `x`: a loop over it is
// neither hoisted nor dropped, at no cost.
#if defined(__aarch64__)
#define BITTERN_OPAQUE(x) asm volatile("" : "+w"(x))
#else
#define BITTERN_OPAQUE(x) asm volatile("" : "+v"(x))
#endif

}  // namespace bittern::kernels
