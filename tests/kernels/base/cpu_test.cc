#include "kernels/base/cpu.h"

#include <catch2/catch.hpp>

namespace bittern::kernels {

TEST_CASE("caps narrow and never widen") {
  const CpuFeatures& cpu = DetectCpu();
  for (std::string_view name : TargetNames()) {
    CpuFeatures capped = cpu;
    if (!CapCpu(cpu, name, &capped)) continue;
    CHECK((capped.bits & ~cpu.bits) == 0);
    CHECK((capped.hwy_targets & ~cpu.hwy_targets) == 0);
    CHECK(BestTarget(capped) == name);
  }
  CpuFeatures untouched = cpu;
  CHECK_FALSE(CapCpu(cpu, "no-such-target", &untouched));
  CHECK(untouched == cpu);
}

TEST_CASE("a cap needs the instructions it names") {
  CpuFeatures none;
  CpuFeatures out;
  CHECK_FALSE(CapCpu(none, TargetNames().back(), &out));
  CHECK(CapCpu(none, "scalar", &out));
}

}  // namespace bittern::kernels
