// The conversion report as an HTML page with charts: sizes and operations by
// layer, and the time of each op of the packed model on this machine.
#pragma once

#include <string>
#include <vector>

#include "converter/lower/report.h"
#include "runtime/base/result.h"

namespace bittern::cli {

// One op of the packed model as it ran here.
struct StepTime {
  std::string name, op, kernel;
  double us = 0, macs = 0;
  int weight_bits = 0, activation_bits = 0;
};

// Runs a packed model for a fraction of a second on one thread.
runtime::Result<std::vector<StepTime>> MeasureSteps(const std::string& path);

std::string ReportPage(const convert::Report& report,
                       const std::vector<StepTime>& steps);

}  // namespace bittern::cli
