// bittern cpu: what this CPU has, which targets can run, and the peaks that its
// core reaches.
#include "kernels/base/cpu.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/base/peak.h"
#include "kernels/gemm/gemm_calibrate.h"
#include "runtime/cli/command.h"

namespace bittern::cli {
namespace {

constexpr double kCalibrateSeconds = 5;

const char* SourceName(kernels::CostSource source) {
  switch (source) {
    case kernels::CostSource::kMeasured:
      return "measured";
    case kernels::CostSource::kPublished:
      return "published";
    case kernels::CostSource::kCounted:
      return "counted";
  }
  return "";
}

void PrintHeader() {
  fmt::print("{:<34} {:>8} {:>8} {:>8} {:>8}\n", "kernel", "MAC/cyc", "/output",
             "/packed", "one row");
}

void PrintCost(const kernels::GemmCost& cost, std::string_view note) {
  fmt::print("{:<34} {:>8.1f} {:>8.3f} {:>8.3f} {:>8.1f}  {}\n", cost.kernel,
             cost.mac_per_cycle, cost.per_output, cost.per_lhs, cost.one_row,
             note);
}

// The constants that the plan chooses kernels by.
void PrintCosts(const kernels::CpuFeatures& cpu) {
  PrintHeader();
  for (const kernels::GemmKernel* kernel : GemmKernels(cpu)) {
    const kernels::GemmCost& cost = *FindGemmCost(*kernel, cpu.cpu);
    PrintCost(cost, fmt::format("{} ({})", SourceName(cost.source),
                                CpuClassName(cost.cpu)));
  }
}

// Measures every constant, beside the built-in one.
Outcome Calibrate(double seconds) {
  const kernels::CpuFeatures& cpu = kernels::DetectCpu();
  fmt::print("core          {} at {:.2f} GHz\n\n", CpuClassName(cpu.cpu),
             kernels::MeasuredGhz());
  PrintHeader();
  for (const kernels::GemmCost& cost : CalibrateGemm(cpu, seconds)) {
    PrintCost(cost, "measured now");
    for (const kernels::GemmKernel* kernel : GemmKernels(cpu)) {
      if (kernel->name != cost.kernel) continue;
      const kernels::GemmCost& known = *FindGemmCost(*kernel, cpu.cpu);
      PrintCost(known,
                fmt::format("built in: {} ({})", SourceName(known.source),
                            CpuClassName(known.cpu)));
    }
  }
  return {};
}

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
  fmt::print("core          {} at {:.2f} GHz\n", CpuClassName(cpu.cpu),
             kernels::MeasuredGhz());
  fmt::print("instructions  {}\n", fmt::join(bits, " "));
  fmt::print("targets       {}\n", fmt::join(targets, " "));
  fmt::print("chosen        {}\n", kernels::BestTarget(cpu));
  fmt::print("\nmeasured peaks of one core (operands in registers or L1)\n");
  for (const kernels::Peak& peak : kernels::MeasurePeaks(cpu, seconds)) {
    fmt::print("{:>10.1f} GMAC/s  {:<28} {}\n", peak.gmacs, peak.name,
               peak.target);
  }
  fmt::print(
      "\nconstants that choose kernels: MAC a cycle of the inner loop; cycles "
      "an output, a packed activation\n");
  PrintCosts(cpu);
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
  auto calibrate = std::make_shared<bool>(false);
  command->add_flag("--calibrate", *calibrate,
                    "Measure the constants that choose between kernels, and "
                    "print them beside the built-in ones");
  command->footer("Example: bittern cpu --calibrate");
  command->callback([seconds, calibrate, outcome] {
    *outcome = *calibrate ? Calibrate(kCalibrateSeconds) : ShowCpu(*seconds);
  });
}

}  // namespace bittern::cli
