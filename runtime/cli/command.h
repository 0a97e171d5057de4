// The commands of the `bittern` tool. Each file adds one subcommand; commands
// of the converter are present when it is built.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/base/result.h"

namespace bittern::cli {

// What the chosen command wants to happen after parsing: its Result becomes the
// exit code (0 or 1).
using Outcome = runtime::Result<void>;

// Each adds a subcommand whose callback stores its result in *outcome.
void AddRun(CLI::App& app, Outcome* outcome);
void AddBench(CLI::App& app, Outcome* outcome);
void AddInspect(CLI::App& app, Outcome* outcome);
void AddCpu(CLI::App& app, Outcome* outcome);
void AddConvert(CLI::App& app, Outcome* outcome);  // converter/cli
void AddCompare(CLI::App& app, Outcome* outcome);  // converter/cli

// Prints what an ONNX file holds (converter/cli); in a tool without the
// converter, an error that says so.
Outcome InspectOnnx(const std::string& path, bool layers);

}  // namespace bittern::cli
