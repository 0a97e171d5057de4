// bittern cpu: what this CPU has, which targets can run, and the peaks that its
// core reaches.
#include "kernels/base/cpu.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/base/peak.h"
#include "runtime/cli/command.h"

namespace bittern::cli {
namespace {

Outcome ShowCpu(double seconds) {
  const kernels::CpuFeatures& cpu = kernels::DetectCpu();
  std::vector<std::string_view> bits;
  for (uint32_t bit = 1; bit != 0; bit <<= 1) {
    if ((cpu.bits & bit) != 0)
      bits.push_back(kernels::CpuBitName(static_cast<kernels::CpuBit>(bit)));
  }
  std::vector<std::string_view> targets;
  for (std::string_view name : kernels::TargetNames()) {
    kernels::CpuFeatures capped;
    if (kernels::CapCpu(cpu, name, &capped)) targets.push_back(name);
  }
  fmt::print("instructions  {}\n", fmt::join(bits, " "));
  fmt::print("targets       {}\n", fmt::join(targets, " "));
  fmt::print("chosen        {}\n", kernels::BestTarget(cpu));
  fmt::print("\nmeasured peaks of one core (operands in registers or L1)\n");
  for (const kernels::Peak& peak : kernels::MeasurePeaks(cpu, seconds)) {
    fmt::print("{:>10.1f} GMAC/s  {:<28} {}\n", peak.gmacs, peak.name,
               peak.target);
  }
  return {};
}

}  // namespace

void AddCpu(CLI::App& app, Outcome* outcome) {
  auto seconds = std::make_shared<double>(0.1);
  CLI::App* command =
      app.add_subcommand("cpu",
                         "Show this CPU's instructions, the usable targets and "
                         "the measured peaks");
  command->add_option("--seconds", *seconds, "Time for each peak")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 10.0));
  command->footer("Example: bittern cpu");
  command->callback([seconds, outcome] { *outcome = ShowCpu(*seconds); });
}

}  // namespace bittern::cli
