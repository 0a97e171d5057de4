// What `compare` and `convert --verify` share.
#pragma once

#include <string>
#include <vector>

#include "converter/cli/comparison.h"
#include "runtime/cli/open.h"

namespace bittern::cli {

struct CompareOptions {
  std::string onnx, packed;
  std::vector<std::string> inputs;      // none: random values
  std::vector<std::string> references;  // NAME=FILE.npy or FILE.npz
  RunOptions run;
};

runtime::Result<Comparison> CompareFiles(const CompareOptions& options);

// A table of the tensors (those that differ unless `all`), what was found
// first, the outputs, and a line with the counts.
void PrintComparison(const Comparison& comparison, bool all);

}  // namespace bittern::cli
