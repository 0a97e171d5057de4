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
constexpr std::array<TargetLevel, 5> kLevels = {{
    {"scalar", kNone, kNone, kFallback},
    {"sse4", kNone, kNone, kFallback | HWY_SSE4},
    {"avx2", kAvx2, kAvx2 | kAvxVnni, kFallback | HWY_SSE4 | HWY_AVX2},
    {"avx512", kAvx512, kAvx2 | kAvxVnni | kAvx512,
     kFallback | HWY_SSE4 | HWY_AVX2 | HWY_AVX3},
    {"avx512dl", kAvx512Dl, ~0u, kFallback | HWY_SSE4 | HWY_AVX2 | HWY_AVX3},
}};

uint32_t RawBits(int64_t hwy) {
  uint32_t a = 0, b = 0, c = 0, d = 0, bits = 0;
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
#else
constexpr int64_t kBaseline = kFallback;
constexpr std::array<TargetLevel, 1> kLevels = {
    {{"scalar", kNone, kNone, kFallback}}};
uint32_t RawBits(int64_t) { return kNone; }
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
    return f;
  }();
  return features;
}

std::span<const std::string_view> TargetNames() { return kNames; }

bool CapCpu(const CpuFeatures& cpu, std::string_view name, CpuFeatures* out) {
  for (const TargetLevel& level : kLevels) {
    if (level.name != name) continue;
    if (!cpu.Has(level.needs)) return false;
    *out = {cpu.bits & level.keeps, cpu.hwy_targets & level.hwy_targets};
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

std::string_view CpuBitName(CpuBit bit) {
  switch (bit) {
    case kNone:
      return "none";
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
