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

// Outputs of float networks may differ by this much of the largest one: each
// layer's share (kFloatTolerance) adds up.
inline constexpr double kOutputTolerance = 1e-3;

// An error that names the first difference that ties do not explain, or, where
// nothing is quantised, an output that is too far off. Outputs of quantised
// networks are not judged: one code that a tie turns changes all after it.
runtime::Result<void> CheckComparison(const Comparison& comparison);

}  // namespace bittern::cli
