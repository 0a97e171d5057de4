// Detection through Highway's SupportedTargets plus CPUID / HWCAP bits for the
// raw-intrinsic files.
#include "kernels/base/cpu.h"

#include <array>

#include "kernels/base/hwy-inl.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace bittern::kernels {
namespace {

struct TargetLevel {
  std::string_view name;
  uint32_t needs;       // bits the CPU must have
  uint32_t keeps;       // bits that stay set under this cap
  int64_t hwy_targets;  // Highway targets that stay allowed
};

constexpr int64_t kFallback = HWY_SCALAR | HWY_EMU128;
#if defined(__x86_64__)
constexpr int64_t kBaseline = kFallback;
constexpr uint32_t kAvx512Dl = kAvx512 | kAvx512Vpopcntdq;
constexpr std::array<TargetLevel, 7> kLevels = {{
    {"scalar", kNone, kNone, kFallback},
    {"sse4", kSse4, kSse4, kFallback | HWY_SSE4},
    {"avx2", kAvx2, kSse4 | kAvx2, kFallback | HWY_SSE4 | HWY_AVX2},
    {"avxvnni", kAvx2 | kAvxVnni, kSse4 | kAvx2 | kAvxVnni,
     kFallback | HWY_SSE4 | HWY_AVX2},
    {"avx512", kAvx512, kSse4 | kAvx2 | kAvx512,
     kFallback | HWY_SSE4 | HWY_AVX2 | HWY_AVX3},
    {"avx512vnni", kAvx512 | kAvx512Vnni, kSse4 | kAvx2 | kAvx512 | kAvx512Vnni,
     kFallback | HWY_SSE4 | HWY_AVX2 | HWY_AVX3},
    {"avx512dl", kAvx512Dl, ~0u, kFallback | HWY_SSE4 | HWY_AVX2 | HWY_AVX3},
}};

uint32_t RawBits(int64_t hwy) {
  uint32_t a = 0, b = 0, c = 0, d = 0, bits = 0;
  if ((hwy & HWY_SSE4) != 0) bits |= kSse4;
  if ((hwy & HWY_AVX2) != 0) bits |= kAvx2;
  if ((hwy & HWY_AVX3) != 0) bits |= kAvx512;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return bits;
  if ((bits & kAvx512) !=
      0) {  // Highway has checked that the operating system saves zmm registers
    if ((c >> 14 & 1) != 0) bits |= kAvx512Vpopcntdq;
    if ((c >> 1 & 1) != 0) bits |= kAvx512Vbmi;
    if ((c >> 11 & 1) != 0) bits |= kAvx512Vnni;
  }
  if ((bits & kAvx2) != 0 && (c >> 8 & 1) != 0) bits |= kGfni;
  if ((bits & kAvx2) != 0 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 &&
      (a >> 4 & 1) != 0)
    bits |= kAvxVnni;
  return bits;
}

// By what the core can do, and by family where two designs can do the same:
// Zen 5 is AMD family 26; of the AVX-512 cores with VPOPCNTDQ, servers are told
// from clients by AMX (Sapphire Rapids) or by Ice Lake-SP's models.
CpuClass DetectClass(uint32_t bits) {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if ((bits & kAvx2) == 0 || __get_cpuid(1, &a, &b, &c, &d) == 0)
    return CpuClass::kGeneric;
  const uint32_t family = (a >> 8 & 15) + (a >> 20 & 255);
  const uint32_t model = (a >> 4 & 15) | (a >> 12 & 0xF0);
  if ((bits & kAvx512) == 0)
    return (bits & kAvxVnni) != 0 ? CpuClass::kX86AvxVnni : CpuClass::kX86Avx2;
  if (family == 26) return CpuClass::kX86Zen5;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 24 & 1) != 0)
    return CpuClass::kX86Amx;
  const bool ice_lake_server = family == 6 && (model == 0x6A || model == 0x6C);
  return (bits & kAvx512Vpopcntdq) != 0 && !ice_lake_server
             ? CpuClass::kX86Avx512Client
             : CpuClass::kX86Avx512Server;
}
#elif defined(__aarch64__)
// Every AArch64 CPU has NEON; Highway 1.0.3 denies it where the AES
// instructions are missing (Raspberry Pi 4), which no kernel uses.
constexpr int64_t kBaseline = kFallback | HWY_NEON;
constexpr std::array<TargetLevel, 3> kLevels = {{
    {"scalar", kNone, kNone, kFallback},
    {"neon", kNeon, kNeon, kFallback | HWY_NEON},
    {"neondot", kNeon | kNeonDot, ~0u, kFallback | HWY_NEON},
}};

uint32_t RawBits(int64_t) {
  uint32_t bits = kNeon;
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) bits |= kNeonDot;
  return bits;
}

// By the part number that Linux lets user space read; emulators and other
// systems answer kGeneric. Parts of Arm Ltd. (0x41): A53 D03, A55 D05, A72 D08,
// A76 D0B, N1 D0C, X1 D44, V1 D40.
CpuClass DetectClass(uint32_t) {
  if ((getauxval(AT_HWCAP) & HWCAP_CPUID) == 0) return CpuClass::kGeneric;
  uint64_t midr = 0;
  asm("mrs %0, MIDR_EL1" : "=r"(midr));
  if (midr >> 24 != 0x41) return CpuClass::kGeneric;
  switch (midr >> 4 & 0xFFF) {
    case 0xD03:
    case 0xD05:
      return CpuClass::kArmInOrder;
    case 0xD08:
      return CpuClass::kArmA72;
    case 0xD0B:
    case 0xD0C:
      return CpuClass::kArmA76;
    case 0xD40:
    case 0xD44:
      return CpuClass::kArmX1;
    default:
      return CpuClass::kGeneric;
  }
}
#else
constexpr int64_t kBaseline = kFallback;
constexpr std::array<TargetLevel, 1> kLevels = {
    {{"scalar", kNone, kNone, kFallback}}};
uint32_t RawBits(int64_t) { return kNone; }
CpuClass DetectClass(uint32_t) { return CpuClass::kGeneric; }
#endif

constexpr auto kNames = [] {
  std::array<std::string_view, kLevels.size()> names{};
  for (size_t i = 0; i < names.size(); ++i) names[i] = kLevels[i].name;
  return names;
}();

}  // namespace

const CpuFeatures& DetectCpu() {
  static const CpuFeatures features = [] {
    CpuFeatures f;
    f.hwy_targets =
        (hwy::SupportedTargets() | kBaseline) & kLevels.back().hwy_targets;
    f.bits = RawBits(f.hwy_targets);
    f.cpu = DetectClass(f.bits);
    return f;
  }();
  return features;
}

std::span<const std::string_view> TargetNames() { return kNames; }

bool CapCpu(const CpuFeatures& cpu, std::string_view name, CpuFeatures* out) {
  for (const TargetLevel& level : kLevels) {
    if (level.name != name) continue;
    if (!cpu.Has(level.needs)) return false;
    *out = {cpu.bits & level.keeps, cpu.hwy_targets & level.hwy_targets,
            cpu.cpu};
    return true;
  }
  return false;
}

std::string_view BestTarget(const CpuFeatures& cpu) {
  std::string_view best = kLevels[0].name;
  for (const TargetLevel& level : kLevels) {
    if (cpu.Has(level.needs) &&
        (level.hwy_targets & ~kFallback & cpu.hwy_targets) != 0)
      best = level.name;
  }
  return best;
}

std::string_view CpuClassName(CpuClass cpu) {
  switch (cpu) {
    case CpuClass::kGeneric:
      return "generic";
    case CpuClass::kX86Avx2:
      return "avx2";
    case CpuClass::kX86AvxVnni:
      return "avxvnni";
    case CpuClass::kX86Avx512Client:
      return "avx512-client";
    case CpuClass::kX86Zen5:
      return "zen5";
    case CpuClass::kX86Avx512Server:
      return "avx512-server";
    case CpuClass::kX86Amx:
      return "amx-server";
    case CpuClass::kArmInOrder:
      return "cortex-a53/a55";
    case CpuClass::kArmA72:
      return "cortex-a72";
    case CpuClass::kArmA76:
      return "cortex-a76";
    case CpuClass::kArmX1:
      return "cortex-x1";
  }
  return "generic";
}

std::string_view CpuBitName(CpuBit bit) {
  switch (bit) {
    case kNone:
      return "none";
    case kSse4:
      return "sse4";
    case kAvx2:
      return "avx2";
    case kAvx512:
      return "avx512";
    case kAvx512Vpopcntdq:
      return "vpopcntdq";
    case kAvx512Vbmi:
      return "vbmi";
    case kAvx512Vnni:
      return "avx512vnni";
    case kAvxVnni:
      return "avxvnni";
    case kGfni:
      return "gfni";
    case kNeon:
      return "neon";
    case kNeonDot:
      return "neondot";
  }
  return "unknown";
}

}  // namespace bittern::kernels
