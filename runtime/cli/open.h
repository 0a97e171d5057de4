// From file name, thread count and target name to a session: shared by run,
// bench and compare.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/exec/session.h"

namespace bittern::cli {

struct RunOptions {
  size_t threads = 1;
  std::string target;               // empty = the best
  std::vector<std::string> shapes;  // NAME=1,3,224,224
};

// --threads, --target, --shape
void AddRunOptions(CLI::App& command, RunOptions* options);

// Parses "NAME=1,3,224,224".
runtime::Result<std::pair<std::string, runtime::Shape>> ParseShapeOption(
    const std::string& text);

// Index of the input called `name`; an error lists the inputs there are.
runtime::Result<size_t> FindInput(const runtime::Model& model,
                                  const std::string& name);

// A prepared session. Dynamic dimensions without --shape become 1.
runtime::Result<std::unique_ptr<runtime::Session>> OpenSession(
    std::shared_ptr<const runtime::Model> model, const RunOptions& options,
    runtime::SessionOptions session_options = {});

// Fills float inputs with a fixed pseudo-random pattern in [-1, 1): the time of
// a run hardly depends on the values, but denormals and zeros would show.
runtime::Result<void> FillInputs(runtime::Session& session);

}  // namespace bittern::cli
