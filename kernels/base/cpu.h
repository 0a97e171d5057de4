// CpuFeatures: what the CPU has, as a value. Detected once; tests, `--target`
// and the session option max_target narrow a copy of it, so every Select* can
// be asked about CPUs that we do not own. No global state beyond the detection.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bittern::kernels {

// One bit per instruction group that some kernel file needs. kNone: portable
// Highway code or plain C++.
enum CpuBit : uint32_t {
  kNone = 0,
  kAvx2 = 1u << 0,    // AVX2, FMA, BMI1/2, F16C
  kAvx512 = 1u << 1,  // F, BW, CD, DQ, VL
  kAvx512Vpopcntdq = 1u << 2,
  kAvx512Vbmi = 1u << 3,
  kAvx512Vnni = 1u << 4,
  kAvxVnni = 1u << 5,
  kGfni = 1u << 6,
  kNeon = 1u << 7,
  kNeonDot = 1u << 8,
  kSse4 = 1u << 9,  // SSE4.1, SSSE3
};

// Cores whose rates differ enough to choose other kernels; the constants of
// cost tables are per class.
enum class CpuClass : uint8_t {
  kGeneric,
  kX86Avx2,          // no AVX-512: Zen 2 and 3, Haswell to Comet Lake
  kX86AvxVnni,       // Alder Lake and later clients
  kX86Avx512Client,  // Zen 4 (256-bit pipes), Ice Lake to Rocket Lake
  kX86Zen5,          // four 512-bit pipes
  kX86Avx512Server,  // Skylake-SP to Ice Lake-SP
  kX86Amx,           // Sapphire Rapids and later
  kArmInOrder,       // Cortex-A53, A55
  kArmA72,
  kArmA76,
  kArmX1,  // Cortex-X1, Neoverse V1
};

// "zen5", "cortex-a76": for messages.
std::string_view CpuClassName(CpuClass cpu);

struct CpuFeatures {
  uint32_t bits = 0;        // CpuBit set
  int64_t hwy_targets = 0;  // Highway targets that may run (HWY_AVX2 | ...),
                            // narrowed together with `bits`
  CpuClass cpu = CpuClass::kGeneric;  // of the core; narrowing keeps it

  bool Has(uint32_t needed) const { return (bits & needed) == needed; }
  friend bool operator==(const CpuFeatures&, const CpuFeatures&) = default;
};

// Features of the running CPU and operating system. Thread-safe; detected on
// the first call.
const CpuFeatures& DetectCpu();

// Names that CapCpu understands on this architecture, weakest first: x86
// "sse4", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512dl" (with
// VPOPCNTDQ, VBMI and all else); AArch64 "neon", "neondot". "scalar" is the
// portable fallback everywhere.
std::span<const std::string_view> TargetNames();

// Narrows `cpu` to what target `name` offers. Returns false, leaving *out
// untouched, if the name is unknown or the CPU lacks it.
bool CapCpu(const CpuFeatures& cpu, std::string_view name, CpuFeatures* out);

// The strongest name of TargetNames() that `cpu` satisfies.
std::string_view BestTarget(const CpuFeatures& cpu);

// Space-separated names of the set bits ("avx2 avx512 vpopcntdq"), for
// messages.
std::string_view CpuBitName(CpuBit bit);

}  // namespace bittern::kernels
